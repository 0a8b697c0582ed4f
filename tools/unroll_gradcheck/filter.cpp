#include "filter.h"

#include <algorithm>
#include <regex>
#include <stdexcept>

namespace gradcheck_tool {
namespace {

bool glob_matches(std::string_view glob, std::string_view name) {
  std::size_t g = 0, n = 0;
  std::size_t star = std::string_view::npos, taken = 0;  // the last *, and where it stops
  while (n < name.size()) {
    if (g < glob.size() && glob[g] == '*') {
      star = g++;
      taken = n;
    } else if (g < glob.size() && (glob[g] == '?' || glob[g] == name[n])) {
      ++g;
      ++n;
    } else if (star != std::string_view::npos) {
      g = star + 1;
      n = ++taken;
    } else {
      return false;
    }
  }
  return glob.find_first_not_of('*', g) == std::string_view::npos;
}

std::vector<Pattern> patterns_of(const std::vector<std::string>& texts) {
  return {texts.begin(), texts.end()};
}

void check_used(const char* flag, const std::vector<std::string>& texts,
                const std::vector<bool>& used) {
  for (std::size_t i = 0; i < texts.size(); ++i)
    if (!used[i])
      throw std::invalid_argument(std::string(flag) + " '" + texts[i] +
                                  "' matches nothing; hint: --list names all rows, '*" + texts[i] +
                                  "*' matches a part of a name");
}

}  // namespace

Pattern::Pattern(const std::string& text) : glob_(text) {
  if (text.size() < 2 || text.front() != '/' || text.back() != '/') return;
  try {
    regex_ = std::make_shared<const std::regex>(text.substr(1, text.size() - 2));
  } catch (const std::regex_error&) {
    throw std::invalid_argument("'" + text + "' is not a regular expression");
  }
}

bool Pattern::matches(const std::string& name) const {
  if (regex_ == nullptr) return glob_matches(glob_, name);
  return std::regex_search(name, *static_cast<const std::regex*>(regex_.get()));
}

std::vector<Row> filtered(std::vector<Row> rows, const Filter& filter) {
  const auto of_rows = patterns_of(filter.rows);
  const auto of_variants = patterns_of(filter.variants);
  std::vector<bool> row_used(of_rows.size()), variant_used(of_variants.size());
  const auto any = [](const std::vector<Pattern>& patterns, std::vector<bool>& used,
                      const auto& matches) {
    bool found = patterns.empty();
    for (std::size_t i = 0; i < patterns.size(); ++i)
      if (matches(patterns[i])) found = used[i] = true;
    return found;
  };
  std::erase_if(rows, [&](const Row& row) {
    return !any(of_rows, row_used, [&](const Pattern& p) {
      return p.matches(row.name) || p.matches(row.full_name());
    });
  });
  check_used("--filter", filter.rows, row_used);
  if (of_variants.empty()) return rows;
  for (Row& row : rows)
    std::erase_if(row.variants, [&](const Variant& v) {
      return !any(of_variants, variant_used, [&](const Pattern& p) { return p.matches(v.name); });
    });
  std::erase_if(rows, [](const Row& row) { return row.variants.empty(); });
  check_used("--variant", filter.variants, variant_used);
  return rows;
}

}  // namespace gradcheck_tool
