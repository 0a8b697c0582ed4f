#include <unroll/autograd/detail/recording.h>
#include <unroll/autograd/operation.h>
#include <unroll/autograd/pool.h>
#include <unroll/autograd/tape.h>
#include <unroll/autograd/tape_report.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <map>
#include <ostream>
#include <unordered_set>

namespace unroll {
namespace {

using Entry = TapeReport::Entry;

void add_to(Entry& sum, const Entry& e) {
  sum.nodes += e.nodes;
  sum.saved_bytes += e.saved_bytes;
  sum.output_bytes += e.output_bytes;
}

// Entries by a key, in any order.
template <class Key>
class Sums {
 public:
  void add(const Key& key, const Entry& e) { add_to(entries_[key], e); }
  // The largest first; equals by key.
  template <class Name>
  std::vector<Entry> sorted(const Name& name) const {
    std::vector<Entry> list;
    for (const auto& [key, sum] : entries_) {
      name(list.emplace_back(sum), key);
    }
    std::stable_sort(list.begin(), list.end(), [](const Entry& a, const Entry& b) {
      if (a.saved_bytes != b.saved_bytes) return a.saved_bytes > b.saved_bytes;
      return a.output_bytes > b.output_bytes;
    });
    return list;
  }

 private:
  std::map<Key, Entry> entries_;
};

std::string bytes_text(Index bytes) {
  constexpr std::array<const char*, 5> units{"B  ", "KiB", "MiB", "GiB", "TiB"};
  auto number = static_cast<double>(bytes);
  std::size_t unit = 0;
  for (; number >= 1024 && unit + 1 < units.size(); ++unit) number /= 1024;
  char text[32];
  std::snprintf(text, sizeof text, unit == 0 ? "%.0f %s" : "%.1f %s", number, units[unit]);
  return text;
}

std::string plain(std::string text) {
  while (text.back() == ' ') text.pop_back();
  return text;
}

using Row = std::array<std::string, 4>;

// Columns of a width that fits all rows; the first to the left, the others to the right.
void print(std::ostream& out, const std::vector<Row>& rows) {
  std::array<std::size_t, 4> widths{};
  for (const Row& row : rows)
    for (std::size_t i = 0; i < row.size(); ++i) widths[i] = std::max(widths[i], row[i].size());
  for (const Row& row : rows) {
    std::string line = row[0] + std::string(widths[0] - row[0].size(), ' ');
    for (std::size_t i = 1; i < row.size(); ++i)
      line += "  " + std::string(widths[i] - row[i].size(), ' ') + row[i];
    out << plain(std::move(line)) << "\n";
  }
}

std::string count_text(Index n, const char* one, const char* many) {
  return std::to_string(n) + " " + (n == 1 ? one : many);
}

Row row_of(const std::string& name, const Entry& e) {
  return {name, std::to_string(e.nodes), bytes_text(e.saved_bytes), bytes_text(e.output_bytes)};
}

// The rows of one table, with its head and its total.
template <class Name>
void append(std::vector<Row>& rows, const char* title, const std::vector<Entry>& entries,
            const Name& name) {
  constexpr std::size_t most = 16;
  rows.push_back({title, "nodes", "saved", "outputs"});
  Entry rest, total;
  const std::size_t shown = entries.size() <= most ? entries.size() : most - 1;
  for (std::size_t i = 0; i < entries.size(); ++i) {
    const Entry& e = entries[i];
    add_to(total, e);
    if (i < shown)
      rows.push_back(row_of("  " + name(e), e));
    else
      add_to(rest, e);
  }
  if (shown < entries.size())
    rows.push_back(row_of("  ... " + std::to_string(entries.size() - shown) + " more", rest));
  rows.push_back(row_of("  total", total));
}

}  // namespace

TapeReport Tape::report() const {
  check_thread();
  const detail::Recording& r = *recording_;
  TapeReport report{.open = r.open,
                    .nodes = std::ssize(r.nodes),
                    .leaves = r.variables(),
                    .graph_bytes = r.graph_bytes()};
  Sums<std::string> operations, modules;
  Sums<Index> steps;
  const auto add = [&](const std::string& operation, const Place& place, const Entry& e) {
    operations.add(operation, e);
    modules.add(place.path, e);
    steps.add(place.step, e);
    report.saved_bytes += e.saved_bytes;
    report.output_bytes += e.output_bytes;
  };
  std::unordered_set<std::uint64_t> counted;
  const auto saved_by = [&](const detail::SavedBlock& block) -> Index {
    if (block.bytes == 0 || !counted.insert(block.id).second) return 0;
    if (block.held) report.held_bytes += block.bytes;
    return block.bytes;
  };
  std::uint32_t index = 0;
  for (const detail::Node& node : r.nodes) {
    const bool recomputed = r.recomputed.recomputes(index++);
    Entry e{.nodes = 1};
    for (std::uint8_t i = 0; i < node.saved; ++i)
      if (const detail::SavedBlock block = r.saved_block(node, i); block.held || !recomputed)
        e.saved_bytes += saved_by(block);
    if (node.operation->flow != Flow::views)
      for (std::uint32_t v = node.first_output; v < node.first_output + node.outputs; ++v)
        e.output_bytes +=
            r.shape_of(v).size() * static_cast<Index>(element_bytes(r.dtype_of_value(v)));
    add(node.operation->name, r.place_of(node), e);
  }
  r.recomputed.for_each_input([&](std::uint32_t node, const detail::SavedBlock& block) {
    if (const Index bytes = saved_by(block); bytes != 0 && node < r.nodes.size())
      add("recompute", r.place_of(r.nodes[node]), {.saved_bytes = bytes});
  });
  const auto named = [](Entry& e, const std::string& name) { e.name = name; };
  report.operations = operations.sorted(named);
  report.modules = modules.sorted(named);
  report.steps = steps.sorted([](Entry& e, Index step) { e.step = step; });
  return report;
}

std::ostream& operator<<(std::ostream& out, const TapeReport& report) {
  out << (report.open ? "open" : "closed")
      << " tape: " << count_text(report.nodes, "operation", "operations") << ", "
      << count_text(report.leaves, "leaf", "leaves") << "; "
      << plain(bytes_text(report.saved_bytes)) << " saved for backward ("
      << plain(bytes_text(report.held_bytes)) << " of it held now), "
      << plain(bytes_text(report.output_bytes)) << " of outputs, "
      << plain(bytes_text(report.graph_bytes)) << " of graph\n";
  if (report.nodes == 0) return out;
  std::vector<Row> rows;
  append(rows, "operation", report.operations, [](const Entry& e) { return e.name; });
  append(rows, "module", report.modules,
         [](const Entry& e) { return e.name.empty() ? "(none)" : e.name; });
  append(rows, "time step", report.steps, [](const Entry& e) {
    return e.step < 0 ? std::string("(none)") : "t=" + std::to_string(e.step);
  });
  print(out, rows);
  return out;
}

}  // namespace unroll
