#pragma once

#include <unroll/autograd/index.h>
#include <unroll/optim/state.h>

#include <limits>
#include <map>
#include <span>
#include <string>

// What saving and restoring states takes.
namespace unroll::optim::detail {

Tensor copy_of(const Tensor& x);
Tensor saved(double value);  // f64 []
Tensor saved(Index value);   // i64 []

// Paths of parameters are unique within a model only: of two models, "W" and "W#2".
class UniqueNames {
 public:
  std::string of(const Tensor& parameter);

 private:
  std::map<std::string, Index> seen_;
};

// A saved list by name, and all that is wrong with it.
class StateReader {
 public:
  explicit StateReader(std::span<const StateEntry> entries);

  // The tensor of a name if it is there and fits, else undefined.
  Tensor take(const std::string& name, const Shape& shape, DType dtype);
  // A finite number, not less than `least`.
  double take_number(const std::string& name, double least);
  Index take_count(const std::string& name);
  void complain(const std::string& what) { wrong_ += (wrong_.empty() ? "" : ", ") + what; }
  // Throws where something was wrong or is left.
  void finish(const char* operation, const char* whose = "optimiser or model");

 private:
  std::map<std::string, Tensor> left_;
  std::string wrong_;
};

}  // namespace unroll::optim::detail
