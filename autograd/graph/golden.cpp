#include <unroll/autograd/graph/detail/classes.h>
#include <unroll/autograd/graph/json.h>
#include <unroll/autograd/graph/write.h>

#include <cstdlib>
#include <filesystem>
#include <string_view>

namespace unroll::graph {
namespace {

// The same in every run.
Snapshot without_measurements(Snapshot s) {
  for (Node& node : s.nodes) {
    node.seconds.reset();
    node.backward_seconds.reset();
  }
  for (Value& value : s.values) {
    value.statistics.reset();
    value.gradient_norm.reset();
  }
  return s;
}

bool is_updating() {
  const char* update = std::getenv("UNROLL_UPDATE_GOLDEN");
  return update != nullptr && std::string_view(update) == "1";
}

}  // namespace

StructureReport matches_golden(const Snapshot& snapshot, const std::string& path,
                               const CompareOptions& options) {
  if (is_updating()) {
    detail::write(path, without_measurements(snapshot), {}, nullptr);
    return StructureReport("");
  }
  const std::string how = "UNROLL_UPDATE_GOLDEN=1 in the environment of the test writes it";
  if (!std::filesystem::exists(path))
    return StructureReport("there is no golden file " + path + "; " + how);
  StructureReport report = same_structure(read(path), snapshot, options);
  if (report.ok()) return report;
  return StructureReport(report.text() + "\n  the first is " + path +
                         "; where the change is meant, " + how + " anew");
}

}  // namespace unroll::graph
