#include "support/wrong_models.h"

#include "support/made_cells.h"
#include "support/recurrent_layers.h"

namespace unroll::test {
namespace {

using In = std::span<const Tensor>;
using Out = std::vector<Tensor>;

Tensor t(const Tensor& x) { return transpose(x, 0, 1); }

constexpr Index steps = 3, batch = 2, width = 2;

// A layer of made cells together with the operation that they call.
template <class Cell>
struct MadeLayer {
  explicit MadeLayer(MadeOperation of_step, bool both_ways = false)
      : operation(std::move(of_step)),
        layer({.input = width,
               .hidden = width,
               .bidirectional = both_ways,
               .cell = {.operation = &operation}}) {}
  MadeOperation operation;
  nn::Recurrent<Cell> layer;
};

template <class Cell>
ModelCase of_cell(std::string kind, const BaseRule& b, Rule rule, std::string path = {},
                  const std::vector<Index>& lengths = {}) {
  auto made =
      std::make_shared<MadeLayer<Cell>>(MadeOperation(b.value, std::move(rule)), !lengths.empty());
  made->layer.to(f64);
  randomize(made->layer, 11);
  ModelCase c;
  c.kind = std::move(kind);
  c.name = b.name;
  c.model = std::shared_ptr<nn::Module>(made, &made->layer);
  // Not from zeros, with which some mistakes would be none in the first step.
  auto first = made->layer(random_values({1, batch, width}, 4)).state;
  for_each_tensor(first, [](Tensor& h) { h = random_values(h.shape(), 5); });
  c.loss = [made, lengths, first, x = random_values({steps, batch, width}, 3)] {
    return weighted_sum(made->layer(x, {.initial = first, .lengths = lengths}));
  };
  c.path = std::move(path);
  return c;
}

const char* const recurrent_weight = "0.forward.Wh";

ModelCase elman(std::string kind, Index input, const Alteration& alteration,
                std::string path = {}) {
  const BaseRule b = elman_step();
  return of_cell<MadeElmanCell>(std::move(kind), b, altered(b.rule, input, alteration),
                                std::move(path));
}
ModelCase lstm(std::string kind, Index input, const Alteration& alteration, std::string path = {},
               const std::vector<Index>& lengths = {}) {
  const BaseRule b = lstm_cell_step();
  return of_cell<MadeLSTMCell>(std::move(kind), b, altered(b.rule, input, alteration),
                               std::move(path), lengths);
}

void add_cells(ModelCases& all) {
  const auto times = [](double by) {
    return [by](const Tensor& g, const Given&) { return g * by; };
  };
  const auto none = [](const Tensor&, const Given&) { return Tensor(); };
  all.push_back(elman("cell, scaled by 1.0001", 2, times(1.0001), recurrent_weight));
  all.push_back(lstm("cell, scaled by 1.0001", 2, times(0.9999), recurrent_weight));
  all.push_back(lstm("cell, scaled by 1.0001", 3, times(1.0001)));
  all.push_back(lstm("cell, scaled by 1.0001", 0, times(1.0001), {}, {3, 1}));
  all.push_back(elman("cell, sign", 0, times(-1)));
  all.push_back(elman("cell, sign", 2, times(-1), recurrent_weight));
  all.push_back(elman("cell, counted twice", 2, times(2), recurrent_weight));
  all.back().cause = GradcheckCause::counted_twice;
  all.push_back(elman("cell, no gradient", 2, none, recurrent_weight));
  all.back().cause = GradcheckCause::missing;
  all.push_back(
      elman("cell, no gradient", 0, [](const Tensor& g, const Given&) { return zeros_like(g); }));
  all.back().cause = GradcheckCause::missing;
  all.push_back(elman("cell, nothing flows back in time", 1, none));
  all.push_back(lstm("cell, nothing flows back in time", 3, none));
  all.push_back(lstm("cell, nothing flows back in time", 1, none, {}, {1, 3}));
  all.push_back(elman(
      "cell, off by one in time", 2,
      [](const Tensor&, const Given& d) {
        return matmul(t(d.y()), d.dy() * (1.0 - d.y() * d.y()));
      },
      recurrent_weight));
  all.push_back(elman(
      "cell, one entry", 2,
      [](const Tensor& g, const Given&) {
        return g * tensor({{1.0, 1.0}, {1.05, 1.0}}, g.dtype());
      },
      recurrent_weight));
  all.back().index = {1, 0};
  all.push_back(elman("cell, not transposed", 1, [](const Tensor&, const Given& d) {
    return matmul(d.dy() * (1.0 - d.y() * d.y()), d.x(2));
  }));
  all.push_back(elman(
      "cell, overwrites instead of adding", 2,
      [](const Tensor& g, const Given& d) {
        if (d.recorded() || !d.backward.needs(2)) return g;
        const unroll::detail::Destination to = d.backward.destination(2);
        unroll::detail::copy_elements(g, to.buffer);
        return Tensor();
      },
      recurrent_weight));
  all.push_back(lstm("cell, gates swapped", 0, [](const Tensor& g, const Given&) {
    const auto parts = split<4>(g, -1);
    return concat({parts[1], parts[0], parts[2], parts[3]}, -1);
  }));
  all.push_back(lstm("cell, gates swapped", 0, [](const Tensor& g, const Given&) {
    const auto parts = split<4>(g, -1);
    return concat({parts[0], parts[1], parts[3], parts[2]}, -1);
  }));
  all.push_back(lstm("cell, path of the forget gate dropped", 0, [](const Tensor& g, const Given&) {
    const auto parts = split<4>(g, -1);
    return concat({parts[0], zeros_like(parts[1]), parts[2], parts[3]}, -1);
  }));
  all.back().cause = GradcheckCause::missing;
  all.push_back(
      lstm("cell, path of the forget gate dropped", 3, [](const Tensor& g, const Given& d) {
        const auto pre = split<4>(d.x(0) + matmul(d.x(1), d.x(2)), -1);
        return g / sigmoid(pre[1]);
      }));
  const BaseRule b = elman_step();
  all.push_back(of_cell<MadeElmanCell>("cell, second order", b, [](const Given& d) -> Out {
    const Tensor y = detach(d.y());
    const Tensor dp = d.dy() * (1.0 - y * y);
    return {dp, matmul(dp, t(d.x(2))), matmul(t(d.x(1)), dp)};
  }));
  all.back().shows = Shows::second_order;
}

// A module with the parameters named, and a loss made of them.
struct Parameters : nn::Module {
  struct Named {
    std::string name;
    Tensor values;
  };
  explicit Parameters(const std::vector<Named>& named) {
    for (const Named& n : named) {
      all.push_back(
          std::make_unique<nn::Parameter>(*this, n.name, n.values.shape(), init::zeros()));
    }
    to(f64);
    for (std::size_t i = 0; i < named.size(); ++i) all[i]->assign(named[i].values);
  }
  std::vector<Tensor> tensors() const {
    std::vector<Tensor> result;
    for (const auto& p : all) result.push_back(*p);
    return result;
  }
  std::vector<std::unique_ptr<nn::Parameter>> all;
};

ModelCase of_parameters(std::string kind, std::string name,
                        const std::vector<Parameters::Named>& named, std::function<Tensor(In)> call,
                        std::string path) {
  auto model = std::make_shared<Parameters>(named);
  ModelCase c;
  c.kind = std::move(kind);
  c.name = std::move(name);
  c.model = model;
  c.loss = [model, call] {
    const Tensor y = call(model->tensors());
    return sum(y * random_values(y.shape(), 19));
  };
  c.path = std::move(path);
  return c;
}

void add_layers(ModelCases& all) {
  const Tensor x = random_values({4, 3}, 1);
  const std::vector<Parameters::Named> linear{{"W", random_values({3, 2}, 2)},
                                              {"b", random_values({2}, 3)}};
  const auto affine_with = [x](Index input, const Alteration& alteration) {
    const BaseRule b = base::affine();
    return [x, op = MadeOperation(b.value, altered(b.rule, input, alteration))](In p) {
      return tanh(op({x, p[0], p[1]}));
    };
  };
  all.push_back(
      of_parameters("layer, broadcast", "bias, mean over rows", linear,
                    affine_with(2, [](const Tensor& g, const Given&) { return mean(g, 0); }), "b"));
  all.push_back(of_parameters(
      "layer, broadcast", "bias, first row", linear,
      affine_with(2, [](const Tensor& g, const Given&) { return select(g, 0, 0); }), "b"));
  all.push_back(of_parameters("layer, counted twice", "bias", linear,
                              affine_with(2, [](const Tensor& g, const Given&) { return g * 3.0; }),
                              "b"));
  all.back().cause = GradcheckCause::counted_twice;
  all.push_back(of_parameters(
      "layer, detached", "W", linear,
      [x](In p) { return affine(x, detach(p[0]) + 0.0 * p[0], p[1]); }, "W"));
  all.back().cause = GradcheckCause::missing;

  // Keeps a rearranged copy of its weight, which nobody renews.
  const BaseRule product = base::matmul();
  auto packed = std::make_shared<Tensor>();
  const MadeOperation stale(
      [packed](In in) {
        if (!packed->defined()) *packed = contiguous(t(detach(in[1])));
        return matmul(in[0], t(*packed));
      },
      product.rule);
  all.push_back(of_parameters(
      "layer, reads an old copy of its weight", "W", linear,
      [x, stale](In p) {
        return stale({x, p[0]}) + p[1];
      },
      "W"));
  all.back().cause = GradcheckCause::unrelated;

  const Tensor ids = tensor({2, 0, 2, 1});
  const MadeOperation rows([ids](In in) { return index_select(in[0], ids); },
                           [ids](const Given& d) -> Out {
                             const Tensor once = tensor({{0.0}, {1.0}, {1.0}, {1.0}}, f64);
                             return {index_add(zeros_like(d.x()), 0, ids, d.dy() * once)};
                           });
  all.push_back(of_parameters(
      "layer, overwrites instead of adding", "embedding", {{"table", random_values({3, 2}, 4)}},
      [rows](In p) { return tanh(rows({p[0]})); }, "table"));

  auto calls = std::make_shared<int>(0);
  all.push_back(of_parameters(
      "layer, not deterministic", "noise in the value", linear,
      [x, calls](In p) { return affine(x, p[0], p[1]) * (1.0 + 1e-4 * (++*calls % 5)); }, {}));
  all.back().cause = GradcheckCause::not_deterministic;
  all.back().shows = Shows::repeated_value;

  const MadeOperation redrawn(
      [](In in) {
        Rng key(3);
        return in[0] * bernoulli(in[0].shape(), 0.5, key, f64);
      },
      [](const Given& d) -> Out {
        Rng key(4);
        return {d.dy() * bernoulli(d.dy().shape(), 0.5, key, f64)};
      });
  all.push_back(of_parameters("layer, mask drawn again on the way back", "dropout", linear,
                              [x, redrawn](In p) { return redrawn({affine(x, p[0], p[1])}); }, {}));
  all.back().training = true;

  all.push_back(of_parameters("layer, kink", "relu of 0",
                              {{"W", zeros({3, 2}, f64)}, {"b", zeros({2}, f64)}},
                              [x](In p) { return relu(affine(x, p[0], p[1])); }, {}));
  all.back().cause = GradcheckCause::kink;
  all.back().shows = Shows::kink;

  // A recurrence over sequences with padding, fed by a layer with parameters.
  using base::InTime;
  const auto padded = [&all](const char* kind, InTime mistake) {
    const BaseRule b = base::recurrent(mistake, {3, 1});
    const Tensor sequence = random_values({3, 2, 3}, 5);
    all.push_back(
        of_parameters(kind, "recurrence with lengths",
                      {{"Wx", random_values({3, 2}, 6)}, {"Wh", random_values({2, 2}, 7)}},
                      [sequence, op = b.operation()](In p) {
                        return op({matmul(sequence, p[0]), p[1], zeros({2, 2}, f64)});
                      },
                      {}));
  };
  padded("layer, gradient leaks through padding", InTime::padding_leaks);
  all.back().path = "Wx";
  padded("layer, mask not applied in padded steps", InTime::mask_ignored);
  padded("layer, off by one in time", InTime::off_by_one);
  all.back().path = "Wh";
}

}  // namespace

ModelCases wrong_models() {
  ModelCases all;
  add_cells(all);
  add_layers(all);
  return all;
}

ModelCase as_model(const RuleCase& c, std::uint64_t seed_of_values) {
  Rng rng(seed_of_values);
  std::vector<Parameters::Named> named;
  for (const Tensor& x : c.point(rng)) named.push_back({"p" + std::to_string(named.size()), x});
  ModelCase m = of_parameters(c.kind, c.name, named, c.call,
                              c.input < 0 ? "" : "p" + std::to_string(c.input));
  m.shows = c.shows;
  if (!c.causes.empty()) m.cause = c.cause();
  m.index = c.index;
  m.training = c.training;
  return m;
}

RuleCase ModelCase::as_rule() const {
  RuleCase c;
  c.kind = kind;
  c.name = name;
  c.shows = shows;
  c.causes = {cause};
  c.index = index;
  return c;
}

}  // namespace unroll::test
