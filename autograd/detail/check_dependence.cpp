// Whether what is checked has anything to do with the function at all.
#include <unroll/autograd/detail/gradcheck_problem.h>
#include <unroll/autograd/error.h>

#include <algorithm>

namespace unroll::detail {

// Whether a step of any size changes what f returns; where it throws there, it may.
bool FirstOrder::changes(const Numbers& base, bool with_parameters_alone) {
  bool any = false;
  for (const double step : {0x1p-3, -0x1p-5, 0x1p-10, -0x1p-20}) {
    Rng rng(checked_.seed);
    for (std::size_t i = 0; i < inputs_.size(); ++i) {
      if (with_parameters_alone && !inputs_[i].is_parameter) continue;
      Numbers moved = inputs_[i].at;
      for (double& v : moved) v += step * inputs_[i].scale * (0.5 + rng.uniform());
      move(i, moved);
    }
    Numbers y;
    any = any || !evaluate(y) || y != base;
  }
  for (std::size_t i = 0; i < inputs_.size(); ++i) move(i, inputs_[i].at);
  return any;
}

void FirstOrder::check_dependence(const Numbers& base) {
  const bool some_parameter = std::any_of(inputs_.begin(), inputs_.end(),
                                          [](const Input& input) { return input.is_parameter; });
  bool any = false;
  bool of_model = !some_parameter;
  ++evaluations_;
  {
    const Recorded recorded(checked_, point_);
    any = recorded.reaches_any();
    of_model = of_model || recorded.reaches_parameters();
  }
  // Where it changes all the same, a gradient is missing, and that is found.
  if ((any && of_model) || changes(base, any)) return;
  const std::string call = operation_;
  if (some_parameter)
    fail_nowhere(
        operation_,
        {.given = checked_.any_frozen ? "a loss that depends on frozen parameters alone, "
                                        "or on none of the model"
                                      : "a loss that depends on no parameter of the model",
         .needed = "a loss of this model",
         .hint = checked_.any_frozen ? "model.unfreeze()"
                                     : call + "(model, [&] { return mean(square(model(x))); })"});
  fail_nowhere(operation_, {.given = "a function that depends on none of its inputs",
                            .needed = "a function of what is checked",
                            .hint = call + "([](const Tensor& x) { return exp(x); }, {x})"});
}

}  // namespace unroll::detail
