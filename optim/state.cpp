#include <cmath>
#include <cstdio>
#include <map>
#include <set>

#include <unroll/autograd/create.h>
#include <unroll/autograd/detail/strided.h>
#include <unroll/autograd/leaf.h>
#include <unroll/optim/detail/plan.h>
#include <unroll/optim/optimizer.h>

// State of optimisers, for saving.
namespace unroll::optim {
namespace {

Tensor copy_of(const Tensor& x) {
  Tensor copy = unroll::detail::empty(x.shape(), x.dtype());
  unroll::detail::copy_elements(x, copy);
  return copy;
}

Tensor number(Index value) { return reshaped_to_scalar(tensor({value})); }

}  // namespace
}  // namespace unroll::optim
