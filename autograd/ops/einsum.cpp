#include <unroll/autograd/ops/arithmetic.h>
#include <unroll/autograd/ops/einsum.h>
#include <unroll/autograd/ops/matmul.h>
#include <unroll/autograd/ops/reduce.h>
#include <unroll/autograd/ops/views.h>

#include <algorithm>
#include <array>
#include <string>
#include <vector>

namespace unroll {
namespace {

// An axis of an operand: a letter, or a number from the end among what "..." stands for.
using Label = int;
constexpr Label first_ellipsis = 256;
using Labels = std::vector<Label>;

bool contains(const Labels& labels, Label label) {
  return std::find(labels.begin(), labels.end(), label) != labels.end();
}

// A tensor and what its axes are.
struct Term {
  Tensor x = {};
  Labels labels = {};
};

class Equation {
 public:
  Equation(std::string_view text, std::span<const Tensor> operands);

  std::vector<Term> terms;
  Labels result;

  [[noreturn]] void fail_at(const std::string& what, const std::string& needed) const {
    fail("einsum",
         {.given = "\"" + std::string(text_) + "\": " + what, .needed = needed, .hint = {}});
  }

 private:
  // The labels written in `part`, of which "..." stands for `hidden` axes.
  Labels read(std::string_view part, Index hidden) const;
  void read_operand(std::string_view part, const Tensor& x, std::size_t number);
  void read_result(std::string_view part);
  void imply_result();
  void check_extents() const;

  std::string_view text_;
  Index hidden_ = 0;  // the most axes that "..." stands for
};

Equation::Equation(std::string_view text, std::span<const Tensor> operands) : text_(text) {
  const std::size_t arrow = text.find("->");
  std::string_view left = text.substr(0, arrow);
  const auto given = std::count(left.begin(), left.end(), ',') + 1;
  if (given != std::ssize(operands))
    fail_at(std::to_string(given) + (given == 1 ? " operand" : " operands") + " in it and " +
                std::to_string(operands.size()) + " given",
            "one part between commas for each operand");
  for (std::size_t i = 0; i < operands.size(); ++i) {
    detail::require_floating("einsum", "operand " + std::to_string(i), operands[i]);
    detail::require_same_dtype("einsum", operands[0], operands[i]);
    const std::size_t comma = left.find(',');
    read_operand(left.substr(0, comma), operands[i], i);
    left = comma == std::string_view::npos ? std::string_view{} : left.substr(comma + 1);
  }
  check_extents();
  if (arrow == std::string_view::npos)
    imply_result();
  else
    read_result(text.substr(arrow + 2));
}

Labels Equation::read(std::string_view part, Index hidden) const {
  Labels labels;
  for (std::size_t i = 0; i < part.size(); ++i) {
    const char c = part[i];
    if (c == ' ') continue;
    if (part.substr(i, 3) == "...") {
      if (!labels.empty() && *std::max_element(labels.begin(), labels.end()) >= first_ellipsis)
        fail_at("\"...\" twice in one part", "at most one");
      for (Index k = hidden; k-- > 0;) labels.push_back(first_ellipsis + static_cast<Label>(k));
      i += 2;
    } else if ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z')) {
      labels.push_back(c);
    } else {
      fail_at(std::string("'") + c + "'", "letters, \"...\", \",\" and one \"->\"");
    }
  }
  return labels;
}

void Equation::read_operand(std::string_view part, const Tensor& x, std::size_t number) {
  const auto letters = std::ssize(read(part, 0));
  const bool open = part.find("...") != std::string_view::npos;
  if (open ? letters > x.rank() : letters != x.rank())
    fail_at(std::to_string(letters) + (letters == 1 ? " letter" : " letters") + " for operand " +
                std::to_string(number) + " " + describe(x),
            std::to_string(x.rank()) + (open ? " or fewer" : ""));
  const Index hidden = open ? x.rank() - letters : 0;
  hidden_ = std::max(hidden_, hidden);
  terms.push_back({x, read(part, hidden)});
}

void Equation::check_extents() const {
  std::array<Index, first_ellipsis + Shape::max_rank> extents{};
  std::array<std::size_t, first_ellipsis + Shape::max_rank> seen_in{};
  std::vector<bool> seen(extents.size());
  for (std::size_t k = 0; k < terms.size(); ++k)
    for (std::size_t i = 0; i < terms[k].labels.size(); ++i) {
      const auto label = static_cast<std::size_t>(terms[k].labels[i]);
      const Index extent = terms[k].x.size(static_cast<Index>(i));
      const auto first =
          std::find(terms[k].labels.begin(), terms[k].labels.end(), terms[k].labels[i]) -
          terms[k].labels.begin();
      if (terms[k].x.size(first) != extent)
        fail_at(std::string("'") + static_cast<char>(label) + "' is " +
                    std::to_string(terms[k].x.size(first)) + " and " + std::to_string(extent) +
                    " in operand " + std::to_string(k) + " " + describe(terms[k].x),
                "one extent");
      if (seen[label] && extents[label] != 1 && extent != 1 && extents[label] != extent) {
        const std::string name = label < first_ellipsis
                                     ? std::string("'") + static_cast<char>(label) + "'"
                                     : std::string("an axis of \"...\"");
        fail_at(name + " is " + std::to_string(extents[label]) + " in operand " +
                    std::to_string(seen_in[label]) + " " + describe(terms[seen_in[label]].x) +
                    " and " + std::to_string(extent) + " in operand " + std::to_string(k) + " " +
                    describe(terms[k].x),
                "one extent, or 1");
      }
      if (!seen[label] || extents[label] == 1) {
        extents[label] = extent;
        seen_in[label] = k;
      }
      seen[label] = true;
    }
}

void Equation::imply_result() {
  for (Index k = hidden_; k-- > 0;) result.push_back(first_ellipsis + static_cast<Label>(k));
  for (Label c = 'A'; c <= 'z'; ++c) {
    std::ptrdiff_t times = 0;
    for (const Term& term : terms) times += std::count(term.labels.begin(), term.labels.end(), c);
    if (times == 1) result.push_back(c);
  }
}

void Equation::read_result(std::string_view part) {
  result = read(part, hidden_);
  for (std::size_t i = 0; i < result.size(); ++i) {
    const Label label = result[i];
    if (label >= first_ellipsis) continue;
    const std::string name = std::string("'") + static_cast<char>(label) + "'";
    if (std::none_of(terms.begin(), terms.end(),
                     [&](const Term& term) { return contains(term.labels, label); }))
      fail_at(name + " of the result is in no operand", "a letter of an operand");
    if (std::count(result.begin(), result.end(), label) > 1)
      fail_at(name + " is twice in the result", "each letter once");
  }
  if (hidden_ > 0 && !contains(result, first_ellipsis))
    fail_at("\"...\" stands for " + std::to_string(hidden_) + " axes, and is not in the result",
            "\"...\" behind the arrow");
}

// One axis for each label: of two with the same, their diagonal.
Term with_labels_once(Term term) {
  for (std::size_t i = 0; i < term.labels.size();) {
    const Label label = term.labels[i];
    const auto again = std::find(term.labels.begin() + static_cast<std::ptrdiff_t>(i) + 1,
                                 term.labels.end(), label);
    if (again == term.labels.end()) {
      ++i;
      continue;
    }
    term.x =
        diagonal(term.x, {.axis_a = static_cast<Index>(i), .axis_b = again - term.labels.begin()});
    term.labels.erase(again);
    term.labels.erase(term.labels.begin() + static_cast<std::ptrdiff_t>(i));
    term.labels.push_back(label);
  }
  return term;
}

Term without(Term term, const Labels& gone) {
  if (!gone.empty() && std::all_of(term.labels.begin(), term.labels.end(),
                                   [&](Label label) { return contains(gone, label); }))
    return {.x = sum(term.x), .labels = {}};
  for (std::size_t i = term.labels.size(); i-- > 0;) {
    if (!contains(gone, term.labels[i])) continue;
    term.x = sum(term.x, static_cast<Index>(i));
    term.labels.erase(term.labels.begin() + static_cast<std::ptrdiff_t>(i));
  }
  return term;
}

// The axes in the order of `labels`, of which there may be more than x has: extent 1 there.
Tensor arranged(const Term& term, const Labels& labels) {
  std::vector<Index> order;
  for (const Label label : labels) {
    const auto at = std::find(term.labels.begin(), term.labels.end(), label);
    if (at != term.labels.end()) order.push_back(at - term.labels.begin());
  }
  Tensor x = std::is_sorted(order.begin(), order.end()) ? term.x : permute(term.x, order);
  for (std::size_t i = 0; i < labels.size(); ++i)
    if (!contains(term.labels, labels[i])) x = unsqueeze(x, static_cast<Index>(i));
  return x;
}

Index extent_of(const Term& term, Label label) {
  const auto at = std::find(term.labels.begin(), term.labels.end(), label);
  return at == term.labels.end() ? 1 : term.x.size(at - term.labels.begin());
}

Labels joined(const Labels& a, const Labels& b, const Labels& c = {}) {
  Labels all = a;
  all.insert(all.end(), b.begin(), b.end());
  all.insert(all.end(), c.begin(), c.end());
  return all;
}

// x with the axes behind the first `kept`, `first` of them and then the rest, each taken together.
Tensor as_matrices(const Tensor& x, std::size_t kept, std::size_t first) {
  const Shape shape = x.shape();
  std::vector<Index> extents(shape.begin(), shape.begin() + static_cast<Index>(kept));
  Index rows = 1;
  Index columns = 1;
  for (Index i = static_cast<Index>(kept); i < shape.rank(); ++i)
    (i < static_cast<Index>(kept + first) ? rows : columns) *= shape[i];
  extents.push_back(rows);
  extents.push_back(columns);
  const Shape wanted{std::span<const Index>(extents)};
  return wanted == shape ? x : reshape(x, wanted);
}

// Two terms as one, whose labels are in `kept`. Neither has a label of its own that is not.
Term contracted(const Equation& e, Term a, Term b, const Labels& kept) {
  Labels batch, both, only_a, only_b;
  for (const Label label : a.labels)
    (!contains(b.labels, label) ? only_a : contains(kept, label) ? batch : both).push_back(label);
  for (const Label label : b.labels)
    if (!contains(a.labels, label)) only_b.push_back(label);
  // What is summed over has one extent.
  for (std::size_t i = both.size(); i-- > 0;) {
    const Index in_a = extent_of(a, both[i]);
    const Index in_b = extent_of(b, both[i]);
    if (in_a == in_b) continue;
    Term& longer = in_a == 1 ? b : a;
    Term& single = in_a == 1 ? a : b;
    longer = without(std::move(longer), {both[i]});
    single = without(std::move(single), {both[i]});
    both.erase(both.begin() + static_cast<std::ptrdiff_t>(i));
  }
  Term y{.x = {}, .labels = joined(batch, only_a, only_b)};
  if (std::ssize(y.labels) > Shape::max_rank)
    e.fail_at(std::to_string(y.labels.size()) + " axes at once", "at most 8");
  if (both.empty()) {
    y.x = arranged(a, y.labels) * arranged(b, y.labels);
    return y;
  }
  if (only_a.empty() && only_b.empty()) {
    const Labels all = joined(batch, both);
    return without({arranged(a, all) * arranged(b, all), all}, both);
  }
  const Tensor product =
      matmul(as_matrices(arranged(a, joined(batch, only_a, both)), batch.size(), only_a.size()),
             as_matrices(arranged(b, joined(batch, both, only_b)), batch.size(), both.size()));
  std::vector<Index> extents;
  for (const Label label : batch)
    extents.push_back(extent_of(a, label) == 1 ? extent_of(b, label) : extent_of(a, label));
  for (const Label label : only_a) extents.push_back(extent_of(a, label));
  for (const Label label : only_b) extents.push_back(extent_of(b, label));
  const Shape shape{std::span<const Index>(extents)};
  y.x = shape == product.shape() ? product : reshape(product, shape);
  return y;
}

}  // namespace

Tensor einsum(std::string_view equation, std::span<const Tensor> operands) {
  if (operands.empty())
    fail("einsum", {.given = "\"" + std::string(equation) + "\" and no operand",
                    .needed = "at least one",
                    .hint = {}});
  Equation e(equation, operands);
  Term all;
  for (std::size_t k = 0; k < e.terms.size(); ++k) {
    Labels kept = e.result;
    for (std::size_t later = k + 1; later < e.terms.size(); ++later)
      kept = joined(kept, e.terms[later].labels);
    Term next = with_labels_once(std::move(e.terms[k]));
    // What only one of the two has, and nobody later, is summed over first.
    Labels gone;
    for (const Label label : next.labels)
      if (!contains(kept, label) && !contains(all.labels, label)) gone.push_back(label);
    next = without(std::move(next), gone);
    if (k == 0) {
      all = std::move(next);
      continue;
    }
    gone.clear();
    for (const Label label : all.labels)
      if (!contains(kept, label) && !contains(next.labels, label)) gone.push_back(label);
    all = contracted(e, without(std::move(all), gone), std::move(next), kept);
  }
  return arranged(all, e.result);
}

Tensor einsum(std::string_view equation, std::initializer_list<Tensor> operands) {
  return einsum(equation, std::span<const Tensor>(operands.begin(), operands.size()));
}

}  // namespace unroll
