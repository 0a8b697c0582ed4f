#pragma once

#include <unroll/autograd/detail/header.h>
#include <unroll/autograd/dtype.h>
#include <unroll/autograd/error.h>
#include <unroll/autograd/shape.h>

#include <array>
#include <initializer_list>
#include <iosfwd>
#include <span>
#include <string>
#include <string_view>
#include <utility>

namespace unroll {

// A shared handle to a dense array of numbers: shape, dtype and, while a tape records it, a
// history. Copying a Tensor copies the handle; values do not change once an operation has read
// them. Operations are free functions; members are queries. A default-constructed Tensor is
// undefined, and every operation given one throws.
class Tensor {
 public:
  Tensor() = default;
  Tensor(const Tensor& other) noexcept : header_(other.header_) {
    if (header_ != nullptr) detail::retain(header_);
  }
  Tensor(Tensor&& other) noexcept : header_(std::exchange(other.header_, nullptr)) {}
  Tensor& operator=(Tensor other) noexcept {
    std::swap(header_, other.header_);
    return *this;
  }
  ~Tensor() {
    if (header_ != nullptr) detail::release(header_);
  }

  bool defined() const { return header_ != nullptr; }
  DType dtype() const { return checked()->dtype; }
  Index rank() const { return checked()->rank; }
  Index size() const { return checked()->size; }  // number of elements
  Index size(Index axis) const;                   // extent of one axis; negative from the end
  Shape shape() const;

  // The value of a tensor with one element; throws when there are more or none.
  double item() const;
  template <class T>
  T item() const {
    return is_floating(dtype()) ? static_cast<T>(item()) : static_cast<T>(item_i64());
  }

  // The elements in row-major order. Throws when T is not the dtype, or when this is a view with
  // gaps: contiguous(x) makes a dense one.
  template <class T>
  std::span<const T> span() const {
    check_span(dtype_of<T>);
    return {reinterpret_cast<const T*>(header_->data), static_cast<std::size_t>(header_->size)};
  }

  // The same values in another dtype; itself where it has that dtype. Differentiable between f32
  // and f64.
  Tensor to(DType dtype) const;

  detail::Header* header() const { return header_; }
  // Takes over one reference.
  static Tensor adopt(detail::Header* header) noexcept {
    Tensor t;
    t.header_ = header;
    return t;
  }
  [[nodiscard]] detail::Header* surrender() noexcept { return std::exchange(header_, nullptr); }

 private:
  detail::Header* checked() const {
    if (header_ == nullptr) fail_undefined();
    return header_;
  }
  [[noreturn]] static void fail_undefined();
  void check_span(DType wanted) const;
  Index item_i64() const;

  detail::Header* header_ = nullptr;
};

// "f32 [64, 32]", or "undefined".
std::string describe(const Tensor& x);

// dtype, shape, then the values; long axes are elided, numbers are printed so that they read back
// exactly.
std::ostream& operator<<(std::ostream& out, const Tensor& x);
std::string to_string(const Tensor& x);

// The same values without a history: a constant wherever it is used.
Tensor detach(const Tensor& x);

namespace detail {

// An uninitialised dense tensor; whatever follows its last element can be read for 64 bytes.
Tensor empty(const Shape& shape, DType dtype);
Tensor empty_like(const Header& like);

// A header of its own on the elements of x, at an offset in elements, without history.
Tensor make_view(const Header& x, std::span<const Index> extents, std::span<const Index> strides,
                 Index offset);

template <class T>
T* data(const Tensor& x) {
  return reinterpret_cast<T*>(x.header()->data);
}
inline std::span<const Index> extents(const Tensor& x) {
  return {x.header()->extents(), x.header()->rank};
}
inline std::span<const Index> strides(const Tensor& x) {
  return {x.header()->strides(), x.header()->rank};
}
inline bool is_dense(const Tensor& x) { return x.header()->is(Header::dense); }

// Throws unless x is defined (and of a floating dtype); `name` is the operand's in the message.
void require_defined(std::string_view operation, std::string_view name, const Tensor& x);
void require_floating(std::string_view operation, std::string_view name, const Tensor& x);
void require_same_dtype(std::string_view operation, const Tensor& a, const Tensor& b);

}  // namespace detail
}  // namespace unroll
