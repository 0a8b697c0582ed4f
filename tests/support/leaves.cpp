#include "support/leaves.h"

#include <unroll/autograd/leaf.h>

#include <algorithm>

#include "support/numeric.h"

namespace unroll::test {

Tensor make_parameter(const Tensor& x, const std::string& path) {
  auto info = std::make_shared<detail::LeafInfo>();
  info->last_path = path;
  const Tensor leaf = detail::make_leaf(x.shape(), x.dtype(), info);
  const auto all = values(x);
  visit_floating(x.dtype(), [&]<class T>(T) {
    std::transform(all.begin(), all.end(), detail::data<T>(leaf),
                   [](double v) { return static_cast<T>(v); });
  });
  return leaf;
}

void overwrite(const Tensor& parameter, double value, Index step) {
  visit_floating(parameter.dtype(), [&]<class T>(T) {
    std::fill_n(detail::data<T>(parameter), parameter.size(), static_cast<T>(value));
  });
  detail::mark_changed(parameter, "optimizer step", step);
}

void freeze(const Tensor& parameter, bool frozen) {
  auto& flags = parameter.header()->flags;
  constexpr auto bit = static_cast<unsigned>(detail::Header::frozen);
  flags = static_cast<std::uint8_t>(frozen ? flags | bit : flags & ~bit);
}

}  // namespace unroll::test
