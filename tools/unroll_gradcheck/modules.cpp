#include "models.h"

// A new module Tensor(const Tensor&) is a line here: its forms and what it is called with.
namespace gradcheck_tool {
namespace {

namespace nn = unroll::nn;
using unroll::Shape;

// A function of the inputs that reads the parameters of a model, in one row with its forms.
template <class Module>
Row module_row(std::string name, const std::vector<Form<typename Module::Options>>& forms,
               const std::vector<Shape>& shapes) {
  Row row{.kind = "module", .name = std::move(name), .variants = {}};
  for (const auto& form : forms)
    for (const Shape& shape : shapes)
      row.variants.push_back({.name = form.name + ", x " + to_string(shape),
                              .make =
                                  [o = form.options, shape] {
                                    auto module = std::make_shared<Module>(o);
                                    draw_parameters(*module);
                                    return Subject{.inputs = {random_tensor(shape)},
                                                   .f =
                                                       [module](std::span<const Tensor> in) {
                                                         WeightedSum loss;
                                                         loss.add((*module)(in[0]));
                                                         return loss.total();
                                                       },
                                                   .model = module};
                                  },
                              .training = form.training});
  return row;
}

// A table of rows and a head that shares it.
struct Tied : nn::Module {
  struct Options {
    bool bias = true;
  };
  explicit Tied(Options o) : options(o) {}
  const Options options;
  nn::Child<nn::Embedding> embed{*this, "embed", {.count = 5, .size = 3}};
  nn::Child<nn::TiedLinear> head{*this, "head", {.W = &embed.W, .bias = options.bias}};

  Tensor operator()(const Tensor& ids) const { return head(tanh(embed(ids))); }
};

// Looking up the padding gives no gradient, whatever the row holds. That is one only where the
// row does not count, as here.
struct PaddedEmbedding : nn::Module {
  struct Options {};
  explicit PaddedEmbedding(Options o) : options(o) {}
  const Options options;
  nn::Child<nn::Embedding> embed{*this, "embed", {.count = 5, .size = 3, .padding = 1}};

  Tensor operator()(const Tensor& ids) const {
    return masked_fill(embed(ids), unsqueeze(ids, -1) == 1, 0.5);
  }
};

struct Ids {
  const char* name;
  Tensor ids;
};
std::vector<Ids> all_ids() {
  using unroll::tensor;
  return {{"one id", reshape(tensor({3}), Shape{})},
          {"ids once", tensor({4, 0, 2})},
          {"ids repeated", reshape(tensor({1, 1, 0, 4, 1, 0}), {3, 2})}};
}

// Of ids there is no gradient: the parameters alone are checked.
template <class Module>
Row id_row(std::string name, const std::vector<Form<typename Module::Options>>& forms) {
  Row row{.kind = "module", .name = std::move(name), .variants = {}};
  for (const auto& form : forms)
    for (const auto& ids : all_ids())
      row.variants.push_back(
          {.name = form.name + ", " + ids.name, .make = [o = form.options, ids = ids.ids] {
             auto module = std::make_shared<Module>(o);
             draw_parameters(*module);
             return Subject{.inputs = {},
                            .f =
                                [module, ids](std::span<const Tensor>) {
                                  WeightedSum loss;
                                  const Tensor y = (*module)(ids);
                                  loss.add(y * y);
                                  return loss.total();
                                },
                            .model = module};
           }});
  return row;
}

struct Net : nn::Module {
  struct Options {
    double dropout = 0;
  };
  explicit Net(Options o) : options(o) {
    steps.add<nn::Linear>({.input = 3, .output = 4});
    steps.add<nn::LayerNorm>({.size = 4});
    steps.add([](const Tensor& x) { return gelu(x); });
    steps.add<nn::Dropout>({.rate = options.dropout});
    steps.add<nn::Linear>({.input = 4, .output = 2, .bias = false});
  }
  const Options options;
  nn::Sequential steps{*this, "steps"};

  Tensor operator()(const Tensor& x) const { return steps(x); }
};

std::vector<Form<nn::Conv1d::Options>> convolutions() {
  std::vector<Form<nn::Conv1d::Options>> forms;
  const std::pair<const char*, nn::Padding> paddings[] = {
      {"none", nn::Padding::none}, {"same", nn::Padding::same}, {"causal", nn::Padding::causal}};
  for (const auto& [name, padding] : paddings)
    for (const Index stride : {1, 2})
      for (const Index dilation : {1, 2})
        for (const bool bias : {false, true})
          forms.push_back({std::string("padding ") + name + ", stride " + std::to_string(stride) +
                               ", dilation " + std::to_string(dilation) + (bias ? ", bias" : ""),
                           {.input = 2,
                            .output = 3,
                            .kernel = 3,
                            .stride = stride,
                            .dilation = dilation,
                            .padding = padding,
                            .bias = bias}});
  return forms;
}

}  // namespace

std::vector<Row> module_rows() {
  return {
      module_row<nn::Linear>("Linear",
                             {{"bias", {.input = 3, .output = 2}},
                              {"no bias", {.input = 3, .output = 2, .bias = false}}},
                             {{3}, {4, 3}, {2, 3, 3}, {0, 3}}),
      id_row<nn::Embedding>("Embedding", {{"plain", {.count = 5, .size = 3}}}),
      id_row<PaddedEmbedding>("Embedding with padding", {{"masked"}}),
      id_row<Tied>("TiedLinear", {{"bias"}, {"no bias", {.bias = false}}}),
      module_row<nn::LayerNorm>("LayerNorm",
                                {{"bias", {.size = 5}}, {"no bias", {.size = 5, .bias = false}}},
                                {{5}, {3, 5}, {2, 2, 5}}),
      module_row<nn::RMSNorm>("RMSNorm", {{"plain", {.size = 5}}}, {{5}, {3, 5}, {2, 2, 5}}),
      module_row<nn::Conv1d>("Conv1d", convolutions(), {{6, 2, 2}}),
      module_row<nn::Dropout>("Dropout", {{"quiet", {.rate = 0.4}}, {"acts", {.rate = 0.4}, true}},
                              {{5}, {3, 4}}),
      module_row<Net>("Sequential", {{"quiet", {.dropout = 0.3}}, {"acts", {.dropout = 0.3}, true}},
                      {{4, 3}, {2, 2, 3}}),
  };
}

}  // namespace gradcheck_tool
