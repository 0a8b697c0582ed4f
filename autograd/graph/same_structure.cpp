#include <unroll/autograd/graph/detail/classes.h>
#include <unroll/autograd/graph/detail/describe.h>

#include <ostream>

namespace unroll::graph {

std::ostream& operator<<(std::ostream& out, const StructureReport& report) {
  return out << (report.ok() ? "the same structure" : report.text());
}

namespace {

using detail::at;
using Numbers = std::vector<std::uint32_t>;

// The first (last) node whose class a has more often than b; -1: none.
Index unmatched(const Numbers& a, const Numbers& b, std::size_t classes, bool last) {
  std::vector<Index> left(classes, 0);
  for (const std::uint32_t c : b) ++left[c];
  if (last) {
    for (std::size_t n = a.size(); n-- > 0;)
      if (left[a[n]]-- == 0) return static_cast<Index>(n);
  } else {
    for (std::size_t n = 0; n < a.size(); ++n)
      if (left[a[n]]-- == 0) return static_cast<Index>(n);
  }
  return -1;
}

bool has_twins(const Numbers& classes, std::size_t end) {
  std::vector<bool> seen(end, false);
  for (const std::uint32_t c : classes) {
    if (seen[c]) return true;
    seen[c] = true;
  }
  return false;
}

std::pair<std::uint32_t, Index> identity_of_loss(const Snapshot& s, const Numbers& leaves,
                                                 const Numbers& nodes) {
  const Index node = s.values[at(s.loss)].node;
  if (node < 0) return {leaves[at(s.loss)], -1};
  return {nodes[at(node)], detail::output_index(s, s.loss)};
}

std::string of_how_many(const Snapshot& snapshot, Index node) {
  return "operation " + std::to_string(node) + " of " + std::to_string(snapshot.nodes.size());
}

// What `other` has at the place of a node: as manieth of its module, time step, layer and direction.
std::string counterpart(const Snapshot& snapshot, Index node, const Snapshot& other,
                        const CompareOptions& options) {
  detail::Vocabulary vocabulary(options);
  const std::uint32_t place = vocabulary.place(snapshot.nodes[at(node)]);
  Index before = 0;
  for (Index n = 0; n < node; ++n)
    before += vocabulary.place(snapshot.nodes[at(n)]) == place ? 1 : 0;
  Index there = -1;
  for (std::size_t n = 0; n < other.nodes.size() && before >= 0; ++n)
    if (vocabulary.place(other.nodes[n]) == place) {
      there = static_cast<Index>(n);
      --before;
    }
  if (there < 0) return "has no operation at that place";
  return (before < 0 ? "has there " : "has fewer there, the last is ") + of_how_many(other, there) +
         ": " + detail::describe(other, there);
}

// A paragraph about a node without counterpart.
std::string about(const char* which, const Snapshot& snapshot, Index node, const char* fault,
                  const char* other_name, const Snapshot& other, const CompareOptions& options) {
  std::string there;
  if (!options.order)
    there = counterpart(snapshot, node, other, options);
  else if (node < static_cast<Index>(other.nodes.size()))
    there = "has there " + of_how_many(other, node) + ": " + detail::describe(other, node);
  else
    there = "has only " + std::to_string(other.nodes.size()) + " operations";
  return std::string("\n  ") + which + ", " + of_how_many(snapshot, node) + ": " +
         detail::describe(snapshot, node) + "\n    " + fault + "; the " + other_name + " " + there;
}

std::string where_different(const Snapshot& a, const Snapshot& b, const CompareOptions& options) {
  detail::Vocabulary vocabulary(options);
  const Numbers leaves_a = leaf_identities(a, vocabulary, options);
  const Numbers leaves_b = leaf_identities(b, vocabulary, options);
  const Numbers in_a = node_classes(a, leaves_a, vocabulary, options.order);
  const Numbers in_b = node_classes(b, leaves_b, vocabulary, options.order);
  const auto paragraphs = [&](Index of_a, Index of_b, const char* fault) {
    std::string in_first, in_second;
    if (of_a >= 0) in_first = about("first", a, of_a, fault, "second", b, options);
    if (of_b >= 0) in_second = about("second", b, of_b, fault, "first", a, options);
    // The earlier one is the cause.
    return "the recordings differ" + (of_b < of_a ? in_second + in_first : in_first + in_second);
  };

  const auto where_losses_differ = [&]() -> std::string {
    if (a.loss < 0 || b.loss < 0 ||
        identity_of_loss(a, leaves_a, in_a) == identity_of_loss(b, leaves_b, in_b))
      return {};
    return "the recordings agree, but for the loss: " + detail::name_of(a, a.loss) +
           " of the first, " + detail::name_of(b, b.loss) + " of the second";
  };

  if (options.order) {
    std::size_t n = 0;
    while (n < in_a.size() && n < in_b.size() && in_a[n] == in_b[n]) ++n;
    const auto here = static_cast<Index>(n);
    const Index of_a = n < in_a.size() ? here : -1, of_b = n < in_b.size() ? here : -1;
    if (of_a >= 0 || of_b >= 0)
      return of_a >= 0 ? paragraphs(of_a, -1, "is the first that differs")
                       : paragraphs(-1, of_b, "is the first that differs");
  } else {
    const Index of_a = unmatched(in_a, in_b, vocabulary.size(), false);
    const Index of_b = unmatched(in_b, in_a, vocabulary.size(), false);
    if (of_a >= 0 || of_b >= 0) return paragraphs(of_a, of_b, "has no counterpart");

    // Nodes that are one of a kind are told by their class alone.
    if (!has_twins(in_a, vocabulary.size())) return where_losses_differ();
    // The last: where the results of a node are used otherwise, those of its operands are, too.
    const Numbers below_a = use_classes(a, in_a, vocabulary);
    const Numbers below_b = use_classes(b, in_b, vocabulary);
    const Index use_a = unmatched(below_a, below_b, vocabulary.size(), true);
    const Index use_b = unmatched(below_b, below_a, vocabulary.size(), true);
    if (use_a >= 0 || use_b >= 0)
      return paragraphs(use_a, use_b, "is computed as often, but its results are used otherwise");
  }

  return where_losses_differ();
}

}  // namespace

StructureReport same_structure(const Snapshot& a, const Snapshot& b,
                               const CompareOptions& options) {
  std::string text = where_different(a, b, options);
  if (text.empty() || a.nodes.size() != b.nodes.size()) return StructureReport(std::move(text));
  // Which option alone makes them agree.
  const auto without = [&](bool CompareOptions::*option, const char* what) {
    CompareOptions other = options;
    other.*option = !(other.*option);
    return where_different(a, b, other).empty() ? std::string(what) : std::string();
  };
  std::string hint;
  if (options.order) hint = without(&CompareOptions::order, "order = false");
  if (hint.empty() && options.paths) hint = without(&CompareOptions::paths, "paths = false");
  if (hint.empty() && options.steps) hint = without(&CompareOptions::steps, "steps = false");
  if (hint.empty() && options.shapes) hint = without(&CompareOptions::shapes, "shapes = false");
  if (!hint.empty()) text += "\n  hint: they agree with {." + hint + "}";
  return StructureReport(std::move(text));
}

}  // namespace unroll::graph
