#include "check_variants/operand_layouts.h"
#include "models.h"

// A new loss is a row here: its forms, how its operands are drawn and how it is called. Every form
// is tried with each reduction, with and without weights, some of them 0.
namespace gradcheck_tool {
namespace {

using unroll::default_rng;
using unroll::Reduction;
using unroll::Shape;
using Inputs = std::span<const Tensor>;

template <class Options>
struct Loss {
  std::string name;
  std::vector<Form<Options>> forms;
  Index classes = 0;  // > 0: along the last axis, so that weights belong to rows of them
  // What is differentiated, and ids, which are not; x has the shape given.
  std::function<std::vector<Tensor>(const Shape& shape)> draw;
  std::function<Tensor(const Shape& positions, const Options& options)> ids = {};
  std::function<Tensor(Inputs in, const Tensor& ids, const Options& options)> call;
};

// Of either sign, away from kinks.
Tensor drawn(const Shape& shape, std::vector<double> avoid = {}) {
  return unroll::checks::draw({.avoid = std::move(avoid)}, shape, default_rng());
}

Tensor drawn_ids(const Shape& shape, std::span<const Index> among) {
  std::vector<Index> all(static_cast<std::size_t>(shape.size()));
  for (Index& id : all)
    id = among[static_cast<std::size_t>(default_rng().below(std::ssize(among)))];
  return unroll::from(std::span<const Index>(all), shape);
}

// Two tensors whose differences keep away from kinks.
std::vector<Tensor> pair_apart(const Shape& shape, std::vector<double> avoid) {
  const Tensor x = drawn(shape);
  return {x, x + drawn(shape, std::move(avoid))};
}

// 0 among them, broadcasting or not.
std::vector<std::pair<std::string, Tensor>> weightings(const Shape& positions) {
  std::vector<double> all(static_cast<std::size_t>(positions.size()));
  for (std::size_t i = 0; i < all.size(); ++i)
    all[i] = i % 3 == 1 ? 0 : 0.5 + 0.25 * static_cast<double>(i);
  const Tensor each = unroll::from(std::span<const double>(all), positions);
  std::vector<std::pair<std::string, Tensor>> made{{"", {}}, {", weights", each}};
  if (positions.rank() > 1)
    made.emplace_back(", weights of the last axis", unroll::contiguous(select(each, 0, 0)));
  return made;
}

template <class Options>
Row loss_row(const Loss<Options>& loss) {
  Row row{.kind = "loss", .name = loss.name, .variants = {}};
  const std::pair<std::string, Reduction> reductions[] = {
      {"mean", Reduction::mean}, {"sum", Reduction::sum}, {"none", Reduction::none}};
  std::vector<Shape> shapes{Shape{}, {5}, {2, 3}};
  if (loss.classes > 0) shapes = {{loss.classes}, {3, loss.classes}, {2, 2, loss.classes}};
  for (const auto& form : loss.forms)
    for (const Shape& shape : shapes) {
      const Shape positions = loss.classes > 0 ? shape.without(-1) : shape;
      for (const auto& [of_weights, weights] : weightings(positions))
        for (const auto& [of_reduction, reduction] : reductions) {
          Options options = form.options;
          options.weights = weights;
          options.reduction = reduction;
          row.variants.push_back(
              {.name = form.name + ", x " + to_string(shape) + of_weights + ", " + of_reduction,
               .make = [loss, shape, positions, options] {
                 Subject subject{.inputs = loss.draw(shape), .f = {}, .model = {}};
                 const Tensor ids = loss.ids ? loss.ids(positions, options) : Tensor();
                 subject.f = [loss, ids, options](Inputs in) {
                   return loss.call(in, ids, options);
                 };
                 return subject;
               }});
        }
    }
  return row;
}

constexpr Index class_count = 4;

Tensor class_weights() { return unroll::tensor({0.5, 2.0, 1.0, 0.25}, unroll::f64); }

std::vector<Tensor> one(const Shape& shape) { return {drawn(shape)}; }
std::vector<Tensor> two(const Shape& shape) { return {drawn(shape), drawn(shape)}; }
std::vector<Tensor> with_probabilities(const Shape& shape) {
  return {drawn(shape), softmax(drawn(shape), -1)};
}

Tensor signs(const Shape& positions) {
  constexpr Index all[] = {-1, 1};
  return drawn_ids(positions, all);
}

Tensor bits(const Shape& positions) {
  constexpr Index all[] = {0, 1};
  return drawn_ids(positions, all);
}

template <class Options>
Tensor classes(const Shape& positions, const Options& options) {
  std::vector<Index> all{options.ignore_index};
  for (Index c = 0; c < class_count; ++c) all.push_back(c);
  return drawn_ids(positions, all);
}

}  // namespace

std::vector<Row> loss_rows() {
  using namespace unroll;
  return {
      loss_row<LossOptions>(
          {.name = "mse",
           .forms = {{"plain"}},
           .draw = two,
           .call = [](Inputs in, const Tensor&, const auto& o) { return mse(in[0], in[1], o); }}),
      loss_row<LossOptions>(
          {.name = "mae",
           .forms = {{"plain"}},
           .draw = [](const Shape& shape) { return pair_apart(shape, {0}); },
           .call = [](Inputs in, const Tensor&, const auto& o) { return mae(in[0], in[1], o); }}),
      loss_row<HuberOptions>(
          {.name = "huber",
           .forms = {{"delta 1"}, {"delta 0.4", {.delta = 0.4}}},
           .draw =
               [](const Shape& shape) {
                 return pair_apart(shape, {-1, -0.4, 0.4, 1});
               },
           .call = [](Inputs in, const Tensor&, const auto& o) { return huber(in[0], in[1], o); }}),
      loss_row<BinaryCrossEntropyOptions>(
          {.name = "binary_cross_entropy",
           .forms = {{"plain"}, {"positive weight", {.positive_weight = full({}, 2.5, f64)}}},
           .draw = one,
           .ids = [](const Shape& shape, const auto&) { return bits(shape); },
           .call = [](Inputs in, const Tensor& ids,
                      const auto& o) { return binary_cross_entropy(in[0], ids, o); }}),
      loss_row<BinaryCrossEntropyOptions>(
          {.name = "binary_cross_entropy of probabilities",
           .forms = {{"plain"}, {"positive weight", {.positive_weight = full({}, 2.5, f64)}}},
           .draw = [](const Shape& shape) -> std::vector<Tensor> {
             return {drawn(shape), sigmoid(drawn(shape))};
           },
           .call = [](Inputs in, const Tensor&,
                      const auto& o) { return binary_cross_entropy(in[0], in[1], o); }}),
      loss_row<HingeOptions>({.name = "hinge",
                              .forms = {{"margin 1"}, {"margin 0.5", {.margin = 0.5}}},
                              .draw = [](const Shape& shape) -> std::vector<Tensor> {
                                return {drawn(shape, {-1, -0.5, 0.5, 1})};
                              },
                              .ids = [](const Shape& shape, const auto&) { return signs(shape); },
                              .call = [](Inputs in, const Tensor& ids,
                                         const auto& o) { return hinge(in[0], ids, o); }}),
      loss_row<CrossEntropyOptions>(
          {.name = "cross_entropy",
           .forms = {{"plain"},
                     {"ignored class 2", {.ignore_index = 2}},
                     {"class weights", {.class_weights = class_weights()}},
                     {"smoothing", {.label_smoothing = 0.2}},
                     {"class weights, smoothing",
                      {.class_weights = class_weights(), .label_smoothing = 0.2}}},
           .classes = class_count,
           .draw = one,
           .ids = classes<CrossEntropyOptions>,
           .call = [](Inputs in, const Tensor& ids,
                      const auto& o) { return cross_entropy(in[0], ids, o); }}),
      loss_row<CrossEntropyOptions>(
          {.name = "cross_entropy of probabilities",
           .forms = {{"plain"},
                     {"class weights", {.class_weights = class_weights()}},
                     {"smoothing", {.label_smoothing = 0.2}},
                     {"class weights, smoothing",
                      {.class_weights = class_weights(), .label_smoothing = 0.2}}},
           .classes = class_count,
           .draw = with_probabilities,
           .call = [](Inputs in, const Tensor&,
                      const auto& o) { return cross_entropy(in[0], in[1], o); }}),
      loss_row<NllOptions>(
          {.name = "nll",
           .forms = {{"plain"},
                     {"ignored class 0", {.ignore_index = 0}},
                     {"class weights", {.class_weights = class_weights()}}},
           .classes = class_count,
           .draw = one,
           .ids = classes<NllOptions>,
           .call = [](Inputs in, const Tensor& ids, const auto& o) { return nll(in[0], ids, o); }}),
      loss_row<LossOptions>({.name = "kl_divergence",
                             .forms = {{"plain"}},
                             .classes = class_count,
                             .draw = two,
                             .call = [](Inputs in, const Tensor&,
                                        const auto& o) { return kl_divergence(in[0], in[1], o); }}),
      loss_row<CosineEmbeddingOptions>(
          {.name = "cosine_embedding",
           .forms = {{"plain"}, {"margin 0.3", {.margin = 0.3}}},
           .classes = class_count,
           .draw = two,
           .ids = [](const Shape& shape, const auto&) { return signs(shape); },
           .call = [](Inputs in, const Tensor& ids,
                      const auto& o) { return cosine_embedding(in[0], in[1], ids, o); }}),
  };
}

}  // namespace gradcheck_tool
