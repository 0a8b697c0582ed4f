#include "models.h"

// A new wrapper, or a new way of nesting them, is a line here. "acts": under a training tape, with
// one mask for all evaluations.
namespace gradcheck_tool {
namespace {

namespace nn = unroll::nn;
using unroll::matmul;

// A cell that has none of the hooks, for the ways around cells that wrappers do not know.
struct BareCell : nn::Module {
  struct Options {
    Index input = 0, hidden = 0;
  };
  struct State {
    Tensor h;
  };
  explicit BareCell(Options o) : options(o) {}
  const Options options;
  nn::Parameter Wx{*this, "Wx", {options.input, options.hidden}, unroll::init::xavier()};
  nn::Parameter Wh{*this, "Wh", {options.hidden, options.hidden}, unroll::init::orthogonal()};

  State step(const Tensor& x, const State& s) const {
    return {.h = tanh(matmul(x, Wx) + matmul(s.h, Wh))};
  }
};
static_assert(nn::Cell<BareCell>);

using nn::LayerNormed;
using nn::VariationalDropout;
using nn::WeightDrop;
using nn::Zoneout;

nn::Stack<BareCell, Zoneout<nn::LSTMCell>>::Options above_a_bare_cell() {
  nn::Stack<BareCell, Zoneout<nn::LSTMCell>>::Options options;
  std::get<1>(options.cell).h_rate = 0.3;
  std::get<1>(options.cell).c_rate = 0.3;
  return options;
}

}  // namespace

std::vector<Row> wrapper_rows() {
  return {
      cell_row<Zoneout<nn::LSTMCell>>("wrapper", "Zoneout<LSTMCell>",
                                      {{"quiet", {.h_rate = 0.3, .c_rate = 0.2}},
                                       {"acts", {.h_rate = 0.3, .c_rate = 0.2}, true}}),
      cell_row<Zoneout<nn::GRUCell>>("wrapper", "Zoneout<GRUCell>",
                                     {{"acts", {.h_rate = 0.4}, true}}),
      cell_row<Zoneout<BareCell>>("wrapper", "Zoneout<a bare cell>",
                                  {{"quiet", {.h_rate = 0.3}}, {"acts", {.h_rate = 0.3}, true}}),
      cell_row<VariationalDropout<nn::LSTMCell>>(
          "wrapper", "VariationalDropout<LSTMCell>",
          {{"quiet", {.input_rate = 0.3, .state_rate = 0.2}},
           {"acts", {.input_rate = 0.3, .state_rate = 0.2}, true}}),
      cell_row<VariationalDropout<nn::ResetFirstGRUCell>>(
          "wrapper", "VariationalDropout<ResetFirstGRUCell>",
          {{"acts", {.input_rate = 0.3, .state_rate = 0.4}, true}}),
      cell_row<VariationalDropout<BareCell>>(
          "wrapper", "VariationalDropout<a bare cell>",
          {{"acts", {.input_rate = 0.3, .state_rate = 0.4}, true}}),
      cell_row<WeightDrop<nn::LSTMCell>>("wrapper", "WeightDrop<LSTMCell>",
                                         {{"quiet", {.rate = 0.4}}, {"acts", {.rate = 0.4}, true}}),
      cell_row<WeightDrop<nn::MGUCell>>("wrapper", "WeightDrop<MGUCell>",
                                        {{"acts", {.rate = 0.4}, true}}),
      cell_row<LayerNormed<nn::RNNCell>>("wrapper", "LayerNormed<RNNCell>", {{"plain"}}),
      cell_row<LayerNormed<nn::GRUCell>>("wrapper", "LayerNormed<GRUCell>", {{"plain"}}),
      cell_row<LayerNormed<nn::ResetFirstGRUCell>>("wrapper", "LayerNormed<ResetFirstGRUCell>",
                                                   {{"plain"}}),
      cell_row<LayerNormed<BareCell>>("wrapper", "LayerNormed<a bare cell>", {{"plain"}}),
      cell_row<VariationalDropout<WeightDrop<Zoneout<LayerNormed<nn::LSTMCell>>>>>(
          "wrapper", "all four around LSTMCell",
          {{"acts",
            {.input_rate = 0.2,
             .state_rate = 0.2,
             .cell = {.rate = 0.2, .cell = {.h_rate = 0.2, .c_rate = 0.2}}},
            true}}),
      cell_row<nn::Stack<nn::GRUCell, nn::LSTMCell>>("wrapper", "Stack<GRUCell, LSTMCell>",
                                                     {{"plain"}}),
      cell_row<nn::Stack<BareCell, Zoneout<nn::LSTMCell>>>("wrapper",
                                                           "Stack<a bare cell, Zoneout<LSTMCell>>",
                                                           {{"acts", above_a_bare_cell(), true}}),
  };
}

}  // namespace gradcheck_tool
