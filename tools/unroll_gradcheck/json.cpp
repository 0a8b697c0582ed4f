#include <nlohmann/json.hpp>

#include "report.h"

namespace gradcheck_tool {

const char* const json_schema = R"(JSON, as --json writes it:
  {"ok": bool, "order": 1 | 2, "seed": int, "jobs": int, "seconds": number, "rows": [
    {"kind": "operation" | "cell" | "wrapper" | "layer" | "module" | "loss",
     "name": string, "variants": int,
     "worst_relative_error": [order 1, order 2],   null where an order was not checked
     "seconds": number,                            of one thread
     "status": "ok" | "fail",
     "failures": [{"variant": string, "text": string}]}]})";

std::string Report::json() const {
  using nlohmann::ordered_json;
  ordered_json all = ordered_json::array();
  for (std::size_t i = 0; i < rows.size(); ++i) {
    const Outcome& o = outcomes[i];
    ordered_json worst = ordered_json::array();
    for (const double error : o.worst)
      worst.push_back(error < 0 ? ordered_json() : ordered_json(error));
    ordered_json failures = ordered_json::array();
    for (const Failure& f : o.failures)
      failures.push_back({{"variant", f.variant}, {"text", f.text}});
    all.push_back({{"kind", rows[i].kind},
                   {"name", rows[i].name},
                   {"variants", o.variants},
                   {"worst_relative_error", worst},
                   {"seconds", o.seconds},
                   {"status", o.ok() ? "ok" : "fail"},
                   {"failures", failures}});
  }
  const ordered_json document = {{"ok", ok()},           {"order", options.order},
                                 {"seed", options.seed}, {"jobs", options.jobs},
                                 {"seconds", seconds},   {"rows", all}};
  return document.dump(2, ' ', false, ordered_json::error_handler_t::replace) + "\n";
}

}  // namespace gradcheck_tool
