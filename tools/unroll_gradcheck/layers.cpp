#include "models.h"

namespace gradcheck_tool {
namespace {

namespace nn = unroll::nn;

// What the lifter does around any cell: every combination of layers, directions, biases, lengths
// and carried states.
template <class Layer>
Row combinations(const std::string& name) {
  Row row{.kind = "layer", .name = name, .variants = {}};
  for (const Index layers : {1, 2, 3})
    for (const bool bidirectional : {false, true})
      for (const Index biases : {1, 2})
        for (const bool lengths : {false, true})
          for (const bool initial : {false, true})
            row.variants.push_back(
                {.name = std::to_string(layers) + (layers == 1 ? " layer" : " layers") +
                         (bidirectional ? ", bidirectional" : "") +
                         (biases == 2 ? ", two biases" : "") + (lengths ? ", lengths" : "") +
                         (initial ? ", carried state" : ""),
                 .make = [=] {
                   return sequence_of<Layer>(
                       {.input = 2,
                        .hidden = 2,
                        .layers = layers,
                        .bidirectional = bidirectional,
                        .biases = biases},
                       {.name = "",
                        .lengths = lengths ? std::vector<Index>{1, 3, 2} : std::vector<Index>{},
                        .initial = initial});
                 }});
  return row;
}

// The lifter's other options, alone and together.
template <class Layer>
Row further(const std::string& name) {
  Row row{.kind = "layer", .name = name, .variants = {}};
  using Options = typename Layer::Options;
  const std::vector<Form<Options>> forms{
      {"directions added",
       {.input = 3, .hidden = 3, .layers = 2, .bidirectional = true, .join = nn::Join::sum}},
      {"residual", {.input = 3, .hidden = 3, .layers = 3, .skip = nn::Skip::residual}},
      {"highway", {.input = 3, .hidden = 3, .layers = 3, .skip = nn::Skip::highway}},
      {"highway, directions added",
       {.input = 3,
        .hidden = 3,
        .layers = 2,
        .bidirectional = true,
        .join = nn::Join::sum,
        .skip = nn::Skip::highway}},
      {"learned state", {.input = 2, .hidden = 3, .layers = 2, .learn_initial = true}},
      {"learned states of both directions",
       {.input = 2, .hidden = 2, .bidirectional = true, .learn_initial = true}},
      {"dropout between layers", {.input = 2, .hidden = 3, .layers = 3, .dropout = 0.3}, true},
      {"dropout, highway, learned state",
       {.input = 3,
        .hidden = 3,
        .layers = 2,
        .skip = nn::Skip::highway,
        .learn_initial = true,
        .dropout = 0.3},
       true},
      {"hidden of one", {.input = 1, .hidden = 1, .layers = 2}},
  };
  for (const auto& form : forms)
    for (const Use& use : {Use{.name = ""}, Use{.name = ", lengths", .lengths = {3, 0, 2}},
                           Use{.name = ", one step", .steps = 1}})
      row.variants.push_back(
          {.name = form.name + use.name,
           .make = [o = form.options, use] { return sequence_of<Layer>(o, use); },
           .training = form.training});
  return row;
}

}  // namespace

std::vector<Row> layer_rows() {
  return {combinations<nn::RNN>("RNN"),
          combinations<nn::LSTM>("LSTM"),
          combinations<nn::GRU>("GRU"),
          further<nn::RNN>("RNN, skips and states"),
          further<nn::LSTM>("LSTM, skips and states"),
          further<nn::GRU>("GRU, skips and states")};
}

}  // namespace gradcheck_tool
