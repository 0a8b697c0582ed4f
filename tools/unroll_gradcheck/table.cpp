#include <algorithm>
#include <cmath>
#include <cstdarg>
#include <cstdio>

#include "report.h"

namespace gradcheck_tool {
namespace {

constexpr int name_width = 42;

std::string text(const char* format, ...) {
  char line[512];
  va_list arguments;
  va_start(arguments, format);
  std::vsnprintf(line, sizeof line, format, arguments);
  va_end(arguments);
  return line;
}

std::string error_text(double error) { return error < 0 ? "-" : text("%.1e", error); }

class Colours {
 public:
  explicit Colours(bool on) : on_(on) {}
  std::string bold(const std::string& s) const { return wrapped("\x1b[1m", s); }
  std::string red(const std::string& s) const { return wrapped("\x1b[1;31m", s); }
  std::string green(const std::string& s) const { return wrapped("\x1b[32m", s); }

 private:
  std::string wrapped(const char* code, const std::string& s) const {
    return on_ ? code + s + "\x1b[0m" : s;
  }
  bool on_;
};

std::string heading(const std::string& kind) {
  return text("%-*s %9s %10s %10s %9s", name_width,
              (kind + (kind.back() == 's' ? "es" : "s")).c_str(), "variants", "1st order",
              "2nd order", "time");
}

std::string line_of(const Row& row, const Outcome& o) {
  return text("  %-*s %9lld %10s %10s %7.2f s  ", name_width - 2, row.name.c_str(),
              static_cast<long long>(o.variants), error_text(o.worst[0]).c_str(),
              error_text(o.worst[1]).c_str(), o.seconds);
}

// Text under a line, moved in.
std::string indented(const std::string& lines) {
  std::string out = "    ";
  for (const char c : lines) out += c == '\n' ? std::string("\n    ") : std::string(1, c);
  return out.substr(0, out.find_last_not_of(" \n") + 1) + "\n";
}

// A model may be wrong in many inputs: the first finding, and which operation it comes from.
std::string shortened(const Failure& failure) {
  constexpr int lines = 20;
  std::size_t end = 0;
  for (int i = 0; i < lines; ++i) {
    end = failure.text.find('\n', end);
    if (end == std::string::npos) return failure.text;
    ++end;
  }
  const auto left =
      std::count(failure.text.begin() + static_cast<std::ptrdiff_t>(end), failure.text.end(), '\n');
  if (left < 5) return failure.text;
  std::string out = failure.text.substr(0, end) + "... " + std::to_string(left) +
                    " lines more; --json has them all\n";
  if (!failure.explanation.empty()) out += "first wrong operation: " + failure.explanation;
  return out;
}

// What the user types to see one variant again.
std::string replay(const Row& row, const Failure& failure, const RunOptions& options) {
  std::string line = "again: unroll-gradcheck --filter '" + row.full_name() + "'";
  if (!failure.variant.empty()) line += " --variant '" + failure.variant + "'";
  return line + " --order " + std::to_string(options.order) + " --seed " +
         std::to_string(options.seed);
}

// The first failure of a row as it stands, others by name.
std::string explanation(const Row& row, const Outcome& outcome, const RunOptions& options,
                        const Colours& colours) {
  const Failure& first = outcome.failures[0];
  std::string out = "\n" + colours.red(row.full_name()) +
                    (first.variant.empty() ? "" : ": " + first.variant) + "\n" +
                    indented(shortened(first)) + "    " + replay(row, first, options) + "\n";
  constexpr std::size_t named = 6;
  for (std::size_t i = 1; i < std::min(named, outcome.failures.size()); ++i)
    out += "    fails, too: " + outcome.failures[i].variant + "\n";
  if (outcome.failures.size() > named)
    out += "    and " + std::to_string(outcome.failures.size() - named) +
           " more; --json has the texts of all\n";
  return out;
}

}  // namespace

bool Report::ok() const {
  return std::all_of(outcomes.begin(), outcomes.end(), [](const Outcome& o) { return o.ok(); });
}

std::string Report::table(bool colours) const {
  const Colours c(colours);
  std::string out, explanations, kind;
  for (std::size_t i = 0; i < rows.size(); ++i) {
    if (rows[i].kind != kind) {
      out += (kind.empty() ? "" : "\n") + c.bold(heading(rows[i].kind)) + "\n";
      kind = rows[i].kind;
    }
    const Outcome& o = outcomes[i];
    out += line_of(rows[i], o) +
           (o.ok() ? c.green("ok") : c.red("FAIL " + std::to_string(o.failures.size()))) + "\n";
    if (!o.ok()) explanations += explanation(rows[i], o, options, c);
  }
  return out + explanations + "\n" + worst() + "\n" +
         (ok() ? c.green(summary()) : c.red(summary())) + "\n";
}

std::string Report::worst() const {
  std::string line;
  for (std::size_t k = 0; k < 2; ++k) {
    std::size_t at = 0;
    for (std::size_t i = 1; i < rows.size(); ++i)
      if (outcomes[i].worst[k] > outcomes[at].worst[k]) at = i;
    if (outcomes[at].worst[k] < 0) continue;
    line += text("%s %.1e (%s)", k == 0 ? "worst error, first order" : "; second order",
                 outcomes[at].worst[k], rows[at].name.c_str());
  }
  return line;
}

std::string Report::summary() const {
  Index variants = 0;
  std::vector<std::string> failed;
  for (std::size_t i = 0; i < rows.size(); ++i) {
    variants += outcomes[i].variants;
    if (!outcomes[i].ok()) failed.push_back(rows[i].name);
  }
  std::string line =
      text("%zu rows, %lld variants, %.1f s on %lld threads, seed %llu: ", rows.size(),
           static_cast<long long>(variants), seconds, static_cast<long long>(options.jobs),
           static_cast<unsigned long long>(options.seed));
  if (failed.empty()) return line + "all hold";
  line += text("%zu of %zu rows fail:", failed.size(), rows.size());
  constexpr std::size_t named = 6;
  for (std::size_t i = 0; i < std::min(named, failed.size()); ++i)
    line += (i == 0 ? " " : ", ") + failed[i];
  return line + (failed.size() > named ? ", ..." : "");
}

}  // namespace gradcheck_tool
