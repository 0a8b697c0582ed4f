#pragma once

#include <string>
#include <vector>

namespace graph_tool {

// Columns of text, the first to the left and the others to the right, as wide as their cells ask
// for; UTF-8 counts by characters.
class Table {
 public:
  explicit Table(std::vector<std::string> heading) : rows_{std::move(heading)} {}
  void add(std::vector<std::string> row) { rows_.push_back(std::move(row)); }
  std::size_t size() const { return rows_.size() - 1; }
  // At most so many rows, then how many are left out; 0: all.
  std::string text(std::size_t most = 0) const;

 private:
  std::vector<std::vector<std::string>> rows_;
};

std::string bytes_text(double bytes);    // "1.5 MB"
std::string number_text(double number);  // four digits
std::string seconds_text(double seconds);

}  // namespace graph_tool
