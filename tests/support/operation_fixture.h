#pragma once

#include <unroll/unroll.h>

#include <functional>
#include <map>
#include <string>
#include <vector>

// Values and gradients of operations, as PyTorch computes them in double: files that
// tests/fixtures/make_*.py write, case by case as <operation>/<number>.
namespace unroll::test {

using Options = std::map<std::string, std::string>;  // of one case: "axis=-1 keepdim=true"
using Inputs = std::map<std::string, Tensor>;
using Call = std::function<Tensor(const Inputs&, const Options&)>;

std::vector<Index> numbers(const std::string& text);  // "1,2" → 1, 2

inline Call unary(Tensor (*f)(const Tensor&)) {
  return [f](const Inputs& in, const Options&) { return f(in.at("x")); };
}
template <class F>
Call binary(const F& f) {
  return [f](const Inputs& in, const Options&) { return f(in.at("a"), in.at("b")); };
}

// Checks every case of a file, values to 4e-15 and gradients, recorded and in place, to 1e-12;
// returns how many. Every operation of the file must have a call and every call a case; cases
// where `skip` is true are left out.
int check_operations(const std::string& file, const std::map<std::string, Call>& calls,
                     bool (*skip)(const std::string& operation, const Inputs&) = nullptr);

}  // namespace unroll::test
