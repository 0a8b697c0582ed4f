#include <unroll/nn/safetensors.h>

#include <functional>
#include <map>

#include <boost/test/unit_test.hpp>

#include "optim/model.h"
#include "support/source_tree.h"

// Fifty clipped steps of each optimiser, with two groups, against PyTorch in double:
// tests/fixtures/make_optimizers_more.py.
namespace unroll::test {
namespace {

constexpr double clip = 2;

using Make = std::function<std::unique_ptr<optim::Optimizer>(const Model& model)>;

// Group a and group b; the options as the script has them.
template <class Optimizer>
Make make(const typename Optimizer::Options& a, const typename Optimizer::Options& b) {
  return [a, b](const Model& model) {
    const auto named = [&](std::string_view name) {
      return model.parameters().where([=](std::string_view path) { return path == name; });
    };
    auto optimizer = std::make_unique<Optimizer>(named("a"), a);
    optimizer->add(named("b"), b);
    return optimizer;
  };
}

std::map<std::string, Make> kinds() {
  using namespace optim;
  return {
      {"sgd", make<SGD>({.lr = 0.05, .momentum = 0.8, .dampening = 0.3, .weight_decay = 0.01},
                        {.lr = 0.02, .momentum = 0.6, .dampening = 0.3})},
      {"rmsprop", make<RMSprop>({.lr = 0.02, .alpha = 0.9, .epsilon = 1e-6},
                                {.lr = 0.05, .alpha = 0.9, .epsilon = 1e-6, .weight_decay = 0.1})},
      {"rmsprop_momentum",
       make<RMSprop>(
           {.lr = 0.01, .alpha = 0.9, .epsilon = 1e-6, .momentum = 0.7},
           {.lr = 0.01, .alpha = 0.9, .epsilon = 1e-6, .momentum = 0.4, .weight_decay = 0.1})},
      {"rmsprop_centred",
       make<RMSprop>(
           {.lr = 0.01, .alpha = 0.9, .epsilon = 1e-3, .centred = true},
           {.lr = 0.02, .alpha = 0.9, .epsilon = 1e-3, .weight_decay = 0.1, .centred = true})},
      {"rmsprop_both",
       make<RMSprop>({.lr = 0.01, .alpha = 0.9, .epsilon = 1e-3, .momentum = 0.7, .centred = true},
                     {.lr = 0.02,
                      .alpha = 0.8,
                      .epsilon = 1e-3,
                      .momentum = 0.7,
                      .weight_decay = 0.1,
                      .centred = true})},
      {"adagrad", make<Adagrad>({.lr = 0.2, .lr_decay = 0.02, .epsilon = 1e-8, .initial = 0.3},
                                {.lr = 0.1, .epsilon = 1e-8, .initial = 0.3, .weight_decay = 0.1})},
      {"adadelta", make<Adadelta>({.lr = 1, .rho = 0.9, .epsilon = 1e-5},
                                  {.lr = 2, .rho = 0.8, .epsilon = 1e-5, .weight_decay = 0.1})},
      {"adam_amsgrad",
       make<Adam>({.lr = 0.05, .beta1 = 0.85, .beta2 = 0.95, .epsilon = 1e-6, .amsgrad = true},
                  {.lr = 0.02,
                   .beta1 = 0.85,
                   .beta2 = 0.95,
                   .epsilon = 1e-6,
                   .weight_decay = 0.1,
                   .amsgrad = true})},
      {"adamw_amsgrad", make<AdamW>({.lr = 0.05,
                                     .beta1 = 0.85,
                                     .beta2 = 0.95,
                                     .epsilon = 1e-6,
                                     .weight_decay = 0,
                                     .amsgrad = true},
                                    {.lr = 0.02,
                                     .beta1 = 0.85,
                                     .beta2 = 0.95,
                                     .epsilon = 1e-6,
                                     .weight_decay = 0.1,
                                     .amsgrad = true})},
      {"nadam",
       make<NAdam>(
           {.lr = 0.05, .beta1 = 0.85, .beta2 = 0.95, .epsilon = 1e-6, .momentum_decay = 4e-2},
           {.lr = 0.02,
            .beta1 = 0.85,
            .beta2 = 0.95,
            .epsilon = 1e-6,
            .momentum_decay = 4e-2,
            .weight_decay = 0.1})},
      {"radam",
       make<RAdam>(
           {.lr = 0.05, .beta1 = 0.85, .beta2 = 0.95, .epsilon = 1e-6},
           {.lr = 0.02, .beta1 = 0.85, .beta2 = 0.95, .epsilon = 1e-6, .weight_decay = 0.1})},
      {"adamax",
       make<Adamax>(
           {.lr = 0.05, .beta1 = 0.85, .beta2 = 0.95, .epsilon = 1e-6},
           {.lr = 0.02, .beta1 = 0.85, .beta2 = 0.95, .epsilon = 1e-6, .weight_decay = 0.1})},
  };
}

nn::Safetensors fixture() {
  return nn::Safetensors::open(source_tree("tests/fixtures/optimizers_more.safetensors"));
}

void run(const nn::Safetensors& file, const std::string& name, const Make& make, DType dtype,
         const CloseOptions& close) {
  Model model{{"a", file["initial/a"].to(dtype)}, {"b", file["initial/b"].to(dtype)}};
  const auto optimizer = make(model);
  Index clipped = 0;
  for (Index step = 0; step < 50; ++step) {
    const Gradients g =
        gradients(gradient_of(model[0], select(file["gradient/a"], 0, step).to(dtype)),
                  gradient_of(model[1], select(file["gradient/b"], 0, step).to(dtype)));
    // PyTorch divides by norm + 1e-6.
    const double norm = g.norm();
    const bool clips = norm + 1e-6 > clip;
    clipped += clips ? 1 : 0;
    optimizer->step(g, {.clip_norm = clips ? clip * norm / (norm + 1e-6) : 0});
    if (step % 5 != 4) continue;
    for (std::size_t i = 0; i < 2; ++i) {
      const Tensor expected = select(file[name + (i == 0 ? "/a" : "/b")], 0, step / 5);
      const auto same = all_close(detach(model[i]).to(f64), expected, close);
      BOOST_TEST(same.ok(), name << " step " << step << ": " << same);
    }
  }
  BOOST_TEST(clipped > 10);
  BOOST_TEST(clipped < 40);
}

BOOST_AUTO_TEST_SUITE(torch_more)

BOOST_AUTO_TEST_CASE(fifty_clipped_steps_with_groups) {
  const auto file = fixture();
  for (const auto& [name, make] : kinds()) {
    run(file, name, make, f64, {.relative = 1e-11});
    run(file, name, make, f32, {.relative = 1e-4, .absolute = 1e-4});
  }
}

BOOST_AUTO_TEST_CASE(lazy_adam_is_sparse_adam) {
  const auto file = fixture();
  Model model{{"table", file["sparse_adam/initial"]}};
  optim::Adam adam(
      model.parameters(),
      {.lr = 0.05, .beta1 = 0.85, .beta2 = 0.95, .epsilon = 1e-30, .sparse = optim::Sparse::lazy});
  for (Index step = 0; step < 50; ++step) {
    const Tensor ids = contiguous(select(file["sparse_adam/ids"], 0, step));
    const auto rows = ids.span<Index>();
    adam.step(gradients(gradient_of(model[0], {rows.begin(), rows.end()},
                                    contiguous(select(file["sparse_adam/values"], 0, step)))));
    if (step % 5 != 4) continue;
    const auto same =
        all_close(model[0], select(file["sparse_adam/table"], 0, step / 5), {.relative = 1e-11});
    BOOST_TEST(same.ok(), "step " << step << ": " << same);
  }
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace
}  // namespace unroll::test
