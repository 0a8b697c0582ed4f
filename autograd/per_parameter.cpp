#include <unroll/autograd/error.h>
#include <unroll/autograd/leaf.h>
#include <unroll/autograd/per_parameter.h>

namespace unroll {

const PerParameter::Entry* PerParameter::find(const Tensor& parameter) const {
  for (const Entry& e : entries_)
    if (e.parameter.header() == parameter.header()) return &e;
  return nullptr;
}

const Tensor& PerParameter::operator[](const Tensor& parameter) const {
  detail::require_defined("derivatives", "parameter", parameter);
  const Entry* e = find(parameter);
  if (e == nullptr)
    fail_nowhere("derivatives", {.given = "nothing for " + detail::leaf_path(*parameter.header()) +
                                          " " + describe(parameter),
                                 .needed = "a parameter of the model that is not frozen",
                                 .hint = "contains(p) asks"});
  return e->value;
}

}  // namespace unroll
