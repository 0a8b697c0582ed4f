#include <unroll/autograd/detail/strided.h>
#include <unroll/autograd/tensor.h>

#include <charconv>
#include <ostream>
#include <sstream>

namespace unroll {
namespace {

constexpr Index shown_at_ends = 3;
constexpr Index shown_whole = 1000;  // elements

// The shortest text that reads back as the same number.
template <class T>
std::string number(T value) {
  std::array<char, 32> text;
  const auto end = std::to_chars(text.data(), text.data() + text.size(), value).ptr;
  return {text.data(), end};
}

template <class T>
void print(std::ostream& out, const T* x, const Shape& shape, Index axis, bool whole) {
  if (axis == shape.rank()) {
    out << number(*x);
    return;
  }
  Index inner = 1;
  for (Index i = axis + 1; i < shape.rank(); ++i) inner *= shape[i];
  const std::string between =
      axis + 1 == shape.rank() ? " " : "\n" + std::string(static_cast<std::size_t>(axis + 2), ' ');
  if (axis > 0) out << "[";
  for (Index i = 0; i < shape[axis]; ++i) {
    if (i > 0) out << between;
    if (!whole && shape[axis] > 2 * shown_at_ends + 1 && i == shown_at_ends) {
      out << "…";
      i = shape[axis] - shown_at_ends - 1;
      continue;
    }
    print(out, x + i * inner, shape, axis + 1, whole);
  }
  if (axis > 0) out << "]";
}

}  // namespace

std::ostream& operator<<(std::ostream& out, const Tensor& x) {
  out << describe(x);
  if (!x.defined() || x.size() == 0) return out;
  out << (x.rank() <= 1 ? "  " : "\n ");
  const Tensor dense = detail::dense_copy(x);
  visit(x.dtype(), [&]<class T>(T) {
    if (x.rank() > 1) out << "[";
    print(out, detail::data<T>(dense), x.shape(), 0, x.size() <= shown_whole);
    if (x.rank() > 1) out << "]";
  });
  return out;
}

std::string to_string(const Tensor& x) {
  std::ostringstream out;
  out << x;
  return out.str();
}

}  // namespace unroll
