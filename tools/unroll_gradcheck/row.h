#pragma once

#include <unroll/autograd/tensor.h>
#include <unroll/nn/module.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

// What is checked: rows of the table, each in some variants.
namespace gradcheck_tool {

using unroll::Index;
using unroll::Tensor;

// A function of tensors in f64, and of the parameters of a model where it has one.
struct Subject {
  std::vector<Tensor> inputs = {};
  std::function<Tensor(std::span<const Tensor>)> f = {};
  std::shared_ptr<unroll::nn::Module> model = {};
};

struct Variant {
  std::string name;
  // Called by the thread that checks it, whose default_rng() depends on the names and the seed.
  std::function<Subject()> make;
  bool training = false;          // dropout and its relatives act, with one fixed mask
  bool second_order = true;       // can be differentiated twice
  bool single_precision = false;  // one operation alone, whose rounding in f32 is known
};

struct Row {
  std::string kind;  // operation, cell, wrapper, layer, module, loss
  std::string name;
  std::vector<Variant> variants;

  std::string full_name() const { return kind + "/" + name; }
};

// Each kind in its own file. What an operation is called with is drawn here and now.
std::vector<Row> operation_rows(std::uint64_t seed);
std::vector<Row> cell_rows();
std::vector<Row> wrapper_rows();
std::vector<Row> layer_rows();
std::vector<Row> module_rows();
std::vector<Row> loss_rows();

// All of them, as the table has them.
std::vector<Row> all_rows(std::uint64_t seed);

}  // namespace gradcheck_tool
