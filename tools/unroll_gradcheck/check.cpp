#include "check.h"

#include <unroll/unroll.h>

#include <chrono>
#include <exception>

namespace gradcheck_tool {
namespace {

// What a model is given, under names: "state.x", "state.initial[0]".
struct ModelInputs {
  Tensor x;
  std::vector<Tensor> initial;
};

unroll::GradcheckReport checked(const Subject& s, const unroll::GradcheckOptions& options) {
  if (s.model == nullptr || s.model->parameters().size() == 0)
    return unroll::gradcheck(s.f, std::span<const Tensor>(s.inputs), options);
  if (s.inputs.empty())
    return unroll::gradcheck(
        *s.model, [&] { return s.f({}); }, options);
  const ModelInputs inputs{.x = s.inputs[0], .initial = {s.inputs.begin() + 1, s.inputs.end()}};
  const auto loss = [&](const ModelInputs& in) {
    std::vector<Tensor> all{in.x};
    all.insert(all.end(), in.initial.begin(), in.initial.end());
    return s.f(all);
  };
  return unroll::gradcheck(*s.model, inputs, loss, options);
}

}  // namespace

Result check(const Row& row, const Variant& variant, int order, std::uint64_t seed) {
  const auto start = std::chrono::steady_clock::now();
  Result result;
  try {
    const unroll::Rng stream = unroll::Rng(seed).split(row.full_name()).split(variant.name);
    unroll::default_rng() = stream;
    const unroll::GradcheckReport report =
        checked(variant.make(), {.order = variant.second_order ? order : 1,
                                 .training = variant.training,
                                 .single_precision = variant.single_precision,
                                 .seed = stream.key});
    result.ok = report.ok();
    result.worst[0] = report.worst(1);
    // What fails at the first order is not checked to the second.
    if (order == 2 && variant.second_order && (result.ok || report.worst(2) > 0))
      result.worst[1] = report.worst(2);
    if (!result.ok) {
      result.text = report.text();
      result.explanation = report.explanation();
    }
  } catch (const std::exception& e) {
    result.ok = false;
    result.text = std::string("it threw: ") + e.what();
  }
  result.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  return result;
}

}  // namespace gradcheck_tool
