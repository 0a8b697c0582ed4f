// Times training steps, inference and the tape itself. Figures are minimum and median over
// repetitions; give several cases to have them alternate, which is how two figures are compared on
// a machine that drifts.
#include <unroll/unroll.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <fstream>
#include <string>

#ifdef __GLIBC__
#include <malloc.h>
#endif

#include <CLI/CLI.hpp>
#include <nlohmann/json.hpp>

#include "cases.h"

namespace {

double milliseconds(const std::function<void()>& call) {
  const auto start = std::chrono::steady_clock::now();
  call();
  return std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - start)
      .count();
}

double median(std::vector<double> v) {
  std::nth_element(v.begin(), v.begin() + std::ssize(v) / 2, v.end());
  return v[v.size() / 2];
}

// What the system says the process holds, in bytes: "VmRSS:" now, "VmHWM:" at most; 0 elsewhere.
unroll::Index resident(const std::string& which) {
  std::ifstream status("/proc/self/status");
  std::string word;
  while (status >> word)
    if (unroll::Index kib = 0; word == which && status >> kib) return kib * 1024;
  return 0;
}

// From what is in use now: memory that was freed goes back to the system first.
void reset_resident_peak() {
#ifdef __GLIBC__
  malloc_trim(0);
#endif
  std::ofstream("/proc/self/clear_refs") << "5";
}

}  // namespace

int main(int argc, char** argv) {
  std::vector<std::string> names;
  std::string mode = "train";
  unroll::Index threads = 1;
  double seconds = 1;
  std::size_t fewest = 5;
  bool json = false, list = false;
  CLI::App app("Times the library: --case lstm/charlm-128 --case bare/charlm-128 …");
  app.add_option("--case", names, "what to time; several alternate");
  app.add_option("--mode", mode, "a training step or inference")
      ->check(CLI::IsMember({"train", "infer"}))
      ->capture_default_str();
  app.add_option("--threads", threads, "0 is all")
      ->check(CLI::NonNegativeNumber)
      ->capture_default_str();
  app.add_option("--seconds", seconds, "for each case, at least")
      ->check(CLI::PositiveNumber)
      ->capture_default_str();
  app.add_option("--repetitions", fewest, "of each case, at least")
      ->check(CLI::PositiveNumber)
      ->capture_default_str();
  app.add_flag("--json", json, "a line of JSON for each case");
  app.add_flag("--list", list, "name all cases");
  CLI11_PARSE(app, argc, argv);
  if (list || names.empty()) {
    for (const std::string& name : case_names()) std::printf("%s\n", name.c_str());
    return 0;
  }
  try {
    unroll::set_threads(threads);
    std::vector<Case> cases;
    cases.reserve(names.size());
    for (const std::string& name : names) cases.push_back(make_case(name, mode == "train"));
    std::vector<std::vector<double>> times(cases.size());
    std::vector<unroll::Index> peaks(cases.size());  // of the last call
    for (const Case& c : cases)
      for (std::size_t warm_up = 0; warm_up < std::min<std::size_t>(2, fewest - 1); ++warm_up)
        c.call();
    double spent = 0;
    for (std::size_t round = 0;
         round < fewest || spent < 1000 * seconds * static_cast<double>(cases.size()); ++round)
      for (std::size_t i = 0; i < cases.size(); ++i) {
        const bool of_system = cases[i].resident;
        of_system ? reset_resident_peak() : unroll::reset_peak_bytes();
        const unroll::Index before =
            of_system ? resident("VmRSS:") : unroll::memory_stats().live_bytes;
        times[i].push_back(milliseconds(cases[i].call));
        peaks[i] = (of_system ? resident("VmHWM:") : unroll::memory_stats().peak_bytes) - before;
        spent += times[i].back();
      }
    for (std::size_t i = 0; i < cases.size(); ++i) {
      const double scale = cases[i].unit == "ns" ? 1e6 / cases[i].per_call : 1.0;
      const double least = scale * *std::min_element(times[i].begin(), times[i].end());
      const double middle = scale * median(times[i]);
      if (json) {
        nlohmann::ordered_json line = {
            {"case", cases[i].name},         {"mode", mode}, {"threads", threads},
            {"unit", cases[i].unit},         {"min", least}, {"median", middle},
            {"repetitions", times[i].size()}};
        if (cases[i].memory || cases[i].resident) line["peak_bytes"] = peaks[i];
        std::printf("%s\n", line.dump().c_str());
      } else {
        std::printf("%-24s %-5s %9.4g %s min  %9.4g median  (%zu repetitions)",
                    cases[i].name.c_str(), mode.c_str(), least, cases[i].unit.c_str(), middle,
                    times[i].size());
        if (cases[i].memory || cases[i].resident)
          std::printf("  %.1f MiB at most", static_cast<double>(peaks[i]) / (1 << 20));
        std::printf("\n");
      }
    }
  } catch (const std::exception& e) {
    std::fprintf(stderr, "unroll-bench: %s\n", e.what());
    return 1;
  }
  return 0;
}
