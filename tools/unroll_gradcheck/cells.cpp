#include "models.h"

// A new cell is a line here. What its options cannot change is tried of every form: a step, a
// sequence, lengths, carried and learned states, layers, directions.
namespace gradcheck_tool {

namespace nn = unroll::nn;

std::vector<Row> cell_rows() {
  const std::vector<Form<nn::LSTMForm::Options>> lstm{{"plain"},
                                                      {"no bias", {.biases = 0}},
                                                      {"two biases", {.biases = 2}},
                                                      {"projection", {.projection = 2}}};
  const std::vector<Form<nn::GRUForm::Options>> gru{
      {"plain"}, {"no bias", {.biases = 0}}, {"two biases", {.biases = 2}}};
  return {
      cell_row<nn::RNNCell>("cell", "RNNCell",
                            {{"tanh"},
                             {"relu", {.nonlinearity = nn::Nonlinearity::relu}},
                             {"no bias", {.biases = 0}},
                             {"two biases", {.biases = 2}}}),
      cell_row<nn::LSTMCell>("cell", "LSTMCell", lstm),
      cell_row<nn::PeepholeLSTMCell>("cell", "PeepholeLSTMCell", lstm),
      cell_row<nn::CoupledLSTMCell>("cell", "CoupledLSTMCell", lstm),
      cell_row<nn::LayerNormLSTMCell>("cell", "LayerNormLSTMCell", lstm),
      cell_row<nn::GRUCell>("cell", "GRUCell", gru),
      cell_row<nn::ResetFirstGRUCell>("cell", "ResetFirstGRUCell", gru),
      cell_row<nn::MGUCell>("cell", "MGUCell", gru),
  };
}

}  // namespace gradcheck_tool
