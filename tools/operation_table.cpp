// The page docs/operations.md, made from the registry: prints it, renews it or checks it.
#include <unroll/autograd/operation.h>

#include <algorithm>
#include <cstring>
#include <fstream>
#include <iostream>
#include <map>
#include <sstream>

#include <CLI/CLI.hpp>

namespace {

using unroll::Operation;

// "autograd/ops/activations": where the record stands, seen from the root of the sources.
std::string family_of(const Operation& operation) {
  const std::string path = std::string("/") + operation.file;
  std::size_t at = 0;
  for (const char* folder : {"/autograd/", "/nn/", "/optim/"})
    if (const auto found = path.rfind(folder); found != std::string::npos) at = std::max(at, found);
  return path.substr(at + 1, path.rfind('.') - at - 1);
}

// A cell of a table must not hold a bare '|'.
std::string cell(const char* text) {
  std::string out;
  for (; *text != 0; ++text) out += *text == '|' ? std::string("\\|") : std::string(1, *text);
  return out;
}

std::string second_order(const Operation& operation) {
  if (operation.check == nullptr) return "not checked";
  return operation.check().second_order ? "yes" : "no";
}

std::string page() {
  std::map<std::string, std::vector<const Operation*>> families;
  for (const Operation* operation : unroll::registered_operations())
    families[family_of(*operation)].push_back(operation);
  std::ostringstream out;
  out << "# Operations\n\n"
         "Made from the registry by `operation-table`; `cmake --build --preset release --target "
         "operations_page` renews it.\n\n"
         "Every record with a derivative, by the file that it stands in. *Value and derivative*: "
         "unless said otherwise y is the result,\n"
         "dy the upstream gradient, dx that of x. *Domain*: what comes out at awkward points; "
         "nothing said: every number. *Accuracy*: the\n"
         "worst error found against long double in units in the last place, over its whole range; "
         "nothing said: rounded once, or as the\n"
         "operations that it is made of. *Second order*: whether the gradient check proves the "
         "derivative of the derivative as well.\n\n"
         "NaN in an element that counts reaches the result, of every operation. Elementwise "
         "results "
         "at ±0, ±inf and among denormals are\n"
         "those of the function itself, the sign of a zero included; where 0 times infinity stands "
         "in the formula, the domain says so.\n"
         "A derivative that is infinite, as of `sqrt` at 0, makes NaN of dy = 0: choose x before, "
         "`sqrt(where(x > 0, x, 1.0))`, or within one\n"
         "pointwise function; a choice of y comes too late.\n"
         "Comparisons and masks (`autograd/ops/relations.h`) have no derivative and no record.\n";
  for (const auto& [family, operations] : families) {
    out << "\n## " << family << "\n\n"
        << "| operation | value and derivative | domain | accuracy | second order |\n"
        << "| --- | --- | --- | --- | --- |\n";
    for (const Operation* operation : operations)
      out << "| `" << operation->name << "` | " << cell(operation->formula) << " | "
          << cell(operation->domain) << " | " << cell(operation->accuracy) << " | "
          << second_order(*operation) << " |\n";
  }
  return out.str();
}

std::string read(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

// The first line in which two texts differ, counted from 1; 0 where they are the same.
int first_difference(const std::string& a, const std::string& b, std::string& left,
                     std::string& right) {
  std::istringstream x(a), y(b);
  for (int line = 1;; ++line) {
    const bool more_x = static_cast<bool>(std::getline(x, left));
    const bool more_y = static_cast<bool>(std::getline(y, right));
    if (!more_x && !more_y) return 0;
    if (!more_x) left = "(the end)";
    if (!more_y) right = "(the end)";
    if (left != right) return line;
  }
}

}  // namespace

int main(int argc, char** argv) {
  std::string write, check;
  CLI::App app("Prints docs/operations.md, made from the records of all operations.");
  app.add_option("--write", write, "write it to a file instead");
  app.add_option("--check", check, "fail unless a file holds it")->excludes("--write");
  CLI11_PARSE(app, argc, argv);
  try {
    const std::string text = page();
    if (!check.empty()) {
      std::string committed, made;
      const int line = first_difference(read(check), text, committed, made);
      if (line == 0) return 0;
      std::cerr << check << ":" << line << ": the page differs from the registry\n  it says  "
                << committed << "\n  needed   " << made
                << "\nhint: cmake --build --preset release --target operations_page\n";
      return 1;
    }
    if (write.empty()) {
      std::cout << text;
      return 0;
    }
    std::ofstream file(write, std::ios::binary);
    file << text;
    file.flush();
    if (file) return 0;
    std::cerr << write << " cannot be written\n";
  } catch (const std::exception& e) {
    std::cerr << e.what() << "\n";
  }
  return 1;
}
