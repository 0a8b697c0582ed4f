#include <unroll/autograd/backward.h>
#include <unroll/autograd/detail/gradient_pass.h>

namespace unroll {

std::uint32_t Backward::value_of(Index input) const { return pass_.tape().inputs_of(node_)[input]; }

bool Backward::needs(Index input) const { return pass_.needs(value_of(input)); }

Shape Backward::input_shape(Index input) const { return pass_.tape().shape_of(value_of(input)); }

Shape Backward::output_shape(Index output) const {
  return pass_.tape().shape_of(node_.first_output + static_cast<std::uint32_t>(output));
}

Tensor Backward::upstream(Index output) const {
  detail::Header* buffer =
      pass_.slot(node_.first_output + static_cast<std::uint32_t>(output)).buffer;
  if (buffer == nullptr) return {};
  detail::retain(buffer);
  return Tensor::adopt(buffer);
}

Tensor Backward::saved(Index i) const {
  detail::Header* x = pass_.tape().saved_of(node_)[i];
  detail::retain(x);
  return Tensor::adopt(x);
}

void Backward::add(Index input, const Tensor& gradient) {
  if (needs(input)) pass_.add(value_of(input), gradient);
}

bool Backward::differentiable() const { return pass_.differentiable(); }

detail::Destination Backward::destination(Index input) {
  return pass_.destination(value_of(input));
}

bool Backward::shares_gradient_with_third() const {
  return pass_.slot(node_.first_output).is(detail::Slot::passed);
}

bool Backward::used_often(Index input) const {
  return pass_.tape().values[value_of(input)].uses > 1;
}

void Backward::defer_product(Index input, const Tensor& a, const Tensor& g) {
  pass_.defer_product(value_of(input), a, g);
}

void Backward::add_recorded_product(Index input, const Tensor& a, const Tensor& g) {
  if (needs(input)) pass_.add_recorded_product(value_of(input), a, g);
}

void Backward::add_recorded_region(Index input, const Tensor& g, const detail::Layout& layout) {
  if (needs(input)) pass_.add_recorded_region(value_of(input), g, layout);
}

void Backward::add_rows(Index input, const Tensor& ids, const Tensor& g) {
  pass_.add_rows(value_of(input), ids, g);
}

bool Backward::hand_over(Index input, const Tensor& piece) {
  return pass_.hand_over(value_of(input), piece);
}

bool Backward::may_hand_over() const {
  return !differentiable() && pass_.owns_buffer(node_.first_output);
}

}  // namespace unroll
