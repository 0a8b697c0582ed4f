#include "support/base_rules.h"
#include "support/right_rules.h"

namespace unroll::test {
namespace {

using In = std::span<const Tensor>;

// Names of cases and what they compute, all of one kind.
struct Named {
  const char* name;
  Draws inputs;
  Value call;
};
void put(RuleCases& all, const char* kind, std::vector<Named> cases) {
  for (Named& c : cases)
    all.push_back(right_case(kind, c.name, std::move(c.inputs), std::move(c.call)));
}

}  // namespace

RuleCases right_elementwise() {
  RuleCases all;
  const Draw any{{2, 3}};
  const Draw positive{{2, 3}, 0.3, 3};
  put(all, "library",
      {{"gelu", {any}, [](In in) { return gelu(in[0]); }},
       {"erf", {any}, [](In in) { return erf(in[0]); }},
       {"sin", {any}, [](In in) { return sin(in[0] * 3.0); }},
       {"log1p", {positive}, [](In in) { return log1p(in[0]); }},
       {"expm1", {any}, [](In in) { return expm1(in[0]); }},
       {"rsqrt", {positive}, [](In in) { return rsqrt(in[0]); }},
       {"log sigmoid", {{{2, 3}, -20, 20}}, [](In in) { return log_sigmoid(in[0]); }},
       {"pow of a number", {positive}, [](In in) { return pow(in[0], 2.5); }},
       {"number to the x", {any}, [](In in) { return pow(1.7, in[0]); }},
       {"where", {any, any}, [](In in) {
          return where(detach(in[0]) > 0.0, in[0] * in[1], in[1] * 2.0);
        }}});
  // Drawn at random, some lie so near a kink that only small steps do not cross it.
  put(all, "kink near by",
      {{"relu", {any}, [](In in) { return relu(in[0]); }},
       {"abs", {any}, [](In in) { return abs(in[0]); }},
       {"leaky relu", {any}, [](In in) { return leaky_relu(in[0], 0.1); }},
       {"selu", {any}, [](In in) { return selu(in[0]); }},
       {"elu", {any}, [](In in) { return elu(in[0], 1.3); }},
       {"softsign", {any}, [](In in) { return softsign(in[0]); }},
       {"clamp", {any}, [](In in) { return clamp(in[0], {.low = -0.5, .high = 1}); }},
       {"maximum", {any, any}, [](In in) { return maximum(in[0], in[1]); }},
       {"minimum", {any, {{3}}}, [](In in) { return minimum(in[0], in[1]); }},
       {"hard sigmoid", {{{2, 3}, -5, 5}}, [](In in) { return hard_sigmoid(in[0]); }},
       {"max of a row", {any}, [](In in) { return max(in[0], -1); }},
       {"largest two", {{{5}}}, [](In in) { return top_k(in[0], 2).values; }},
       {"sort", {{{5}}}, [](In in) { return sort(in[0]).values; }},
       {"mae", {any, any}, [](In in) { return mae(in[0], in[1]); }},
       {"hinge", {any}, [](In in) {
          return hinge(in[0], tensor({{1, -1, 1}, {-1, 1, 1}}));
        }}});
  return all;
}

RuleCases right_of_shapes() {
  RuleCases all;
  const Draw any{{2, 3}};
  put(all, "library",
      {{"var", {{{3, 4}}}, [](In in) { return var(in[0], 0); }},
       {"stddev", {{{2, 4}, 0.5, 3}}, [](In in) { return stddev(in[0], -1); }},
       {"norm 1", {{{2, 4}, 0.5, 3}}, [](In in) { return norm(in[0], -1, {.p = 1}); }},
       {"mean of all", {any}, [](In in) { return mean(in[0]); }},
       {"prod with signs", {any}, [](In in) { return prod(in[0], 0); }},
       {"log cumsum exp", {{{4, 2}}}, [](In in) { return logcumsumexp(in[0], 0); }},
       {"rms norm", {any, {{3}}}, [](In in) { return rms_norm(in[0], in[1]); }},
       {"batch norm",
        {{{4, 2}}, {{2}}, {{2}}},
        [](In in) { return batch_norm(in[0], in[1], in[2]).outputs; }},
       {"softmax over axis 0", {any}, [](In in) { return softmax(in[0], 0); }},
       {"masked softmax",
        {any},
        [](In in) {
          return softmax(in[0], -1, {.mask = tensor({1.0, 0.0, 1.0})});
        }},
       {"batched product", {{{2, 2, 3}}, {{2, 3, 2}}}, [](In in) { return matmul(in[0], in[1]); }},
       {"einsum", {any, {{3, 2}}}, [](In in) { return einsum("ij,ji->i", in[0], in[1]); }},
       {"dot", {{{4}}, {{4}}}, [](In in) { return dot(in[0], in[1]); }},
       {"cosine", {any, any}, [](In in) { return cosine_similarity(in[0], in[1]); }},
       {"embedding",
        {{{4, 3}}},
        [](In in) {
          return embedding(in[0], tensor({{1, 3}, {3, 0}})) * 2.0;
        }},
       {"gather",
        {any},
        [](In in) {
          return gather(in[0], 1, tensor({{2, 2}, {0, 1}}));
        }},
       {"scatter add",
        {any, {{2, 2}}},
        [](In in) {
          return scatter_add(in[0], 1, tensor({{2, 2}, {0, 1}}), in[1]);
        }},
       {"pad and roll",
        {any},
        [](In in) { return roll(pad(in[0], {{.axis = 1, .after = 2}}), 3, 1); }},
       {"tile and flip",
        {any},
        [](In in) {
          return flip(tile(in[0], {2, 2}), 1);
        }},
       {"tril", {{{3, 3}}}, [](In in) { return tril(in[0]) + triu(in[0] * in[0]); }},
       {"last by length",
        {{{3, 2, 2}}},
        [](In in) {
          return last_by_length(in[0], {3, 1});
        }},
       {"masked fill", {any}, [](In in) {
          return masked_fill(in[0] * in[0], tensor({0.0, 1.0, 0.0}), 7);
        }}});
  const Tensor ids = tensor({2, 0});
  put(all, "loss",
      {{"cross entropy, smoothed",
        {any},
        [ids](In in) { return cross_entropy(in[0], ids, {.label_smoothing = 0.2}); }},
       {"cross entropy, one ignored",
        {any},
        [](In in) {
          return cross_entropy(in[0], tensor({1, -100}));
        }},
       {"nll", {any}, [ids](In in) { return nll(log_softmax(in[0]), ids); }},
       {"kl divergence",
        {any},
        [](In in) {
          return kl_divergence(in[0],
                               tensor({{0.3, -1.0, 2.0}, {1.0, 0.0, 0.5}}).to(in[0].dtype()));
        }},
       {"huber", {any, any}, [](In in) { return huber(in[0], in[1]); }},
       {"binary cross entropy", {any}, [](In in) {
          return binary_cross_entropy(in[0],
                                      tensor({{1.0, 0.0, 1.0}, {0.0, 0.3, 1.0}}).to(in[0].dtype()));
        }}});
  return all;
}

RuleCases right_at_extremes() {
  RuleCases all;
  const double big = 1e6, small = 1e-6;
  const Draw large{{2, 3}, big / 2, big}, tiny{{2, 3}, small / 2, small}, any{{2, 3}};
  put(all, "scale",
      {{"square of 1e6", {large}, [](In in) { return in[0] * in[0]; }},
       {"square of 1e-6", {tiny}, [](In in) { return in[0] * in[0]; }},
       {"log of 1e6", {large}, [](In in) { return log(in[0]); }},
       {"log of 1e-6", {tiny}, [](In in) { return log(in[0]); }},
       {"sqrt of 1e-6", {tiny}, [](In in) { return sqrt(in[0]); }},
       {"1 / 1e-6", {tiny}, [](In in) { return 1.0 / in[0]; }},
       {"1 / 1e6", {large}, [](In in) { return 1.0 / in[0]; }},
       {"1e6 times 1e-6", {large, tiny}, [](In in) { return in[0] * in[1]; }},
       {"tanh of 1e-6", {tiny}, [](In in) { return tanh(in[0]); }},
       {"tanh of 1e-6 of 1e6", {large}, [](In in) { return tanh(in[0] * 1e-6); }},
       {"product of 1e6",
        {large, {{3, 2}, big / 2, big}},
        [](In in) { return matmul(in[0], in[1]); }},
       {"norm of 1e6", {large}, [](In in) { return norm(in[0], -1); }},
       {"norm of 1e-6", {tiny}, [](In in) { return norm(in[0], -1); }},
       {"layer norm of 1e6", {large}, [](In in) { return layer_norm(in[0]); }},
       {"outputs of 1e12", {any}, [](In in) { return 1e12 * exp(in[0]); }},
       {"outputs of 1e-12", {any}, [](In in) { return 1e-12 * sin(in[0]); }},
       {"outputs of both",
        {any},
        [](In in) {
          return concat({1e8 * tanh(in[0]), 1e-8 * exp(in[0])}, 0);
        }},
       {"a large number beside", {any}, [](In in) { return exp(in[0]) + 1e4; }},
       {"inputs of both", {large, tiny}, [](In in) { return in[0] + 1e12 * in[1]; }}});
  put(all, "zero gradient",
      {{"constant in input 1", {any, any}, [](In in) { return exp(in[0]) + 0.0 * in[1]; }},
       {"input 1 not used", {any, any}, [](In in) { return exp(in[0]); }},
       {"constant where it is", {any}, [](In in) { return where(in[0] > 100.0, in[0], 1.0); }},
       {"sign", {any}, [](In in) { return sign(in[0]) + in[0] * in[0]; }},
       {"sum of a softmax", {any}, [](In in) { return sum(softmax(in[0]), -1); }},
       {"x - x", {any}, [](In in) { return in[0] - in[0]; }},
       {"square at 0", {{{3}, 0, 0}}, [](In in) { return in[0] * in[0]; }},
       {"cube at 0", {{{3}, 0, 0}}, [](In in) { return in[0] * in[0] * in[0]; }},
       {"saturated tanh", {{{3}, 20, 30}}, [](In in) { return tanh(in[0]); }},
       {"saturated softmax",
        {{{2}, -1, 1}},
        [](In in) {
          return softmax(in[0] * tensor({1.0, 300.0}).to(in[0].dtype()));
        }},
       {"product of zeros", {{{2, 3}, 0, 0}, {{3, 2}, 0, 0}}, [](In in) {
          return matmul(in[0], in[1]);
        }}});
  put(all, "kink very near",
      {{"relu of 1e-9", {{{2}, 1e-9, 2e-9}}, [](In in) { return relu(in[0]); }},
       {"relu of -1e-7", {{{2}, -2e-7, -1e-7}}, [](In in) { return relu(in[0]); }},
       {"abs of -1e-8 beside others",
        {{{2}, -2e-8, -1e-8}, any},
        [](In in) {
          return concat({abs(in[0]), reshape(in[1] * in[1], {6})}, 0);
        }},
       {"mae very near its target", {{{2}, 1, 1}}, [](In in) {
          return mae(in[0], full(in[0].shape(), 1 + 1e-6, f64).to(in[0].dtype()));
        }}});
  put(all, "nothing there",
      {{"exp of nothing", {{{0, 3}}}, [](In in) { return exp(in[0]); }},
       {"sum of nothing", {{{0, 3}}}, [](In in) { return sum(in[0]); }},
       {"product without depth", {{{2, 0}}, {{0, 3}}}, [](In in) { return matmul(in[0], in[1]); }},
       {"nothing beside something",
        {{{0}}, {{3}}},
        [](In in) {
          return concat({in[0], in[1] * in[1]}, 0);
        }},
       {"rank 0", {{{}}}, [](In in) { return exp(in[0]) * in[0]; }},
       {"one element, rank 4", {{{1, 1, 1, 1}}}, [](In in) { return tanh(in[0]); }}});
  put(all, "nearly singular",
      {{"1 / (x - y)", {{{3}, 1.001, 1.002}}, [](In in) { return 1.0 / (in[0] - 1.0); }},
       {"sqrt near 0", {{{3}, 1e-4, 2e-4}}, [](In in) { return sqrt(in[0]); }},
       {"log near 0", {{{3}, 1e-4, 2e-4}}, [](In in) { return log(in[0]); }},
       {"steep tanh", {{{3}, -0.05, 0.05}}, [](In in) { return tanh(100.0 * in[0]); }},
       {"fast sine", {{{3}}}, [](In in) { return sin(100.0 * in[0]); }},
       {"norm near 0", {{{3}, 1e-4, 2e-4}}, [](In in) { return norm(in[0]); }},
       {"stddev of nearly equal", {{{4}, 1, 1.001}}, [](In in) { return stddev(in[0]); }},
       {"layer norm of nearly equal", {{{4}, 1, 1.01}}, [](In in) { return layer_norm(in[0]); }},
       {"exp of 30", {{{3}, 29, 30}}, [](In in) { return exp(in[0]); }},
       {"logsumexp far apart",
        {{{3}}},
        [](In in) {
          return logsumexp(in[0] * tensor({1.0, 20.0, 40.0}).to(in[0].dtype()));
        }},
       {"determinant near 0", {{{2, 2}, 0.99, 1.01}}, [](In in) {
          const Tensor a = select(in[0], 0, 0);
          const Tensor b = select(in[0], 0, 1);
          return select(a, 0, 0) * select(b, 0, 1) - select(a, 0, 1) * select(b, 0, 0);
        }}});
  for (RuleCase& c : all)
    if (c.name == "mae very near its target") c.unit = 1e-6;
  const auto dropped = [&all](const char* name, double rate) {
    RuleCase c = right_case("dropout", name, {{{3, 4}}},
                            [rate](In in) { return dropout(tanh(in[0]), rate) * in[0]; });
    c.training = true;
    all.push_back(c);
  };
  dropped("half", 0.5);
  dropped("nearly all", 0.9);
  RuleCase twice = right_case("dropout", "two masks", {{{3, 4}}},
                              [](In in) { return dropout(exp(dropout(in[0], 0.3)), 0.3); });
  twice.training = true;
  all.push_back(twice);
  all.push_back(right_case("dropout", "not in training", {{{3, 4}}},
                           [](In in) { return dropout(in[0], 0.5); }));
  return all;
}

}  // namespace unroll::test
