#include <unroll/autograd/detail/strided.h>
#include <unroll/autograd/leaf.h>
#include <unroll/autograd/pool.h>
#include <unroll/autograd/tensor.h>

#include <algorithm>
#include <new>

namespace unroll {
namespace detail {
namespace {

using LeafSlot = std::shared_ptr<LeafInfo>;
constexpr std::size_t line = 64;

std::size_t header_bytes(Index rank, std::size_t more) {
  const std::size_t bytes =
      sizeof(Header) + 2 * static_cast<std::size_t>(rank) * sizeof(Index) + more;
  return (bytes + line - 1) / line * line;
}

LeafSlot* leaf_slot(const Header& h) {
  return reinterpret_cast<LeafSlot*>(const_cast<Index*>(h.strides()) + h.rank);
}

bool strides_are_dense(std::span<const Index> extents, const Index* strides) {
  Index expected = 1;
  for (std::size_t i = extents.size(); i-- > 0;) {
    if (extents[i] != 1 && strides[i] != expected) return false;
    expected *= extents[i];
  }
  return true;
}

Header* new_header(std::uint8_t block_class, std::size_t rank) {
  auto* h = ::new (pool_take(block_class)) Header;
  h->references.store(1, std::memory_order_relaxed);
  h->rank = static_cast<std::uint8_t>(rank);
  h->block_class = block_class;
  h->tape = 0;
  h->value = no_value;
  h->version = 0;
  return h;
}

Tensor new_dense(const Index* extents, std::size_t rank, Index size, DType dtype,
                 std::size_t more = 0) {
  const std::size_t head = header_bytes(static_cast<Index>(rank), more);
  constexpr Index most = Index{1} << 44;
  if (size > most)
    fail("tensor", {.given = to_string(Shape({extents, rank})),
                    .needed = "at most 2^44 elements",
                    .hint = {}});
  const std::size_t elements = static_cast<std::size_t>(std::max<Index>(size, 1));
  // 64 bytes are readable from every element on, so that packets need no masks.
  const std::size_t bytes = head + (elements - 1) * element_bytes(dtype) + line;
  Header* h = new_header(pool_class(bytes), rank);
  h->dtype = dtype;
  h->flags = Header::dense;
  h->data = reinterpret_cast<std::byte*>(h) + head;
  h->owner = nullptr;
  h->size = size;
  Index stride = 1;
  for (std::size_t i = rank; i-- > 0;) {
    h->extents()[i] = extents[i];
    h->strides()[i] = stride;
    stride *= extents[i];
  }
  return Tensor::adopt(h);
}

}  // namespace

void destroy(Header* header) noexcept {
  Header* owner = header->owner;
  if (header->is(Header::leaf)) std::destroy_at(leaf_slot(*header));
  pool_give(reinterpret_cast<std::byte*>(header), header->block_class);
  if (owner != nullptr) release(owner);
}

Tensor empty(const Shape& shape, DType dtype) {
  return new_dense(shape.begin(), static_cast<std::size_t>(shape.rank()), shape.size(), dtype);
}

Tensor empty_like(const Header& like) {
  return new_dense(like.extents(), like.rank, like.size, like.dtype);
}

Tensor make_view(const Header& x, std::span<const Index> extents, std::span<const Index> strides,
                 Index offset) {
  Header* h =
      new_header(pool_class(header_bytes(static_cast<Index>(extents.size()), 0)), extents.size());
  auto* owner = const_cast<Header*>(x.block());
  h->dtype = x.dtype;
  h->data = x.data + offset * static_cast<Index>(element_bytes(x.dtype));
  h->owner = owner;
  retain(owner);
  h->size = 1;
  for (std::size_t i = 0; i < extents.size(); ++i) {
    h->extents()[i] = extents[i];
    h->strides()[i] = strides[i];
    h->size *= extents[i];
  }
  h->flags =
      strides_are_dense(extents, h->strides()) ? std::uint8_t{Header::dense} : std::uint8_t{0};
  return Tensor::adopt(h);
}

Tensor make_leaf(const Shape& shape, DType dtype, std::shared_ptr<LeafInfo> info) {
  Tensor t = new_dense(shape.begin(), static_cast<std::size_t>(shape.rank()), shape.size(), dtype,
                       sizeof(LeafSlot));
  ::new (leaf_slot(*t.header())) LeafSlot(std::move(info));
  t.header()->flags |= Header::leaf;
  const LeafSlot& slot = *leaf_slot(*t.header());
  if (slot != nullptr) slot->current = t.header();
  return t;
}

const std::shared_ptr<LeafInfo>& leaf_info(const Header& header) {
  static const std::shared_ptr<LeafInfo> none;
  return header.is(Header::leaf) ? *leaf_slot(header) : none;
}

std::string leaf_path(const Header& header) {
  const auto& info = leaf_info(header);
  return info != nullptr ? info->path() : "a tensor";
}

void mark_changed(const Tensor& leaf, const char* by, Index step) {
  ++leaf.header()->block()->version;
  if (const auto& info = leaf_info(*leaf.header())) {
    info->changed_by = by;
    info->changed_at = step;
  }
}

void overwrite(const Tensor& leaf, const Tensor& values, const char* by, Index step) {
  if (leaf.shape() != values.shape() || leaf.dtype() != values.dtype())
    fail("assign",
         {.given = describe(values) + " for " + leaf_path(*leaf.header()) + " " + describe(leaf),
          .needed = "equal shapes and dtypes",
          .hint = leaf.dtype() == values.dtype()
                      ? ""
                      : "values.to(" + std::string(name_of(leaf.dtype())) + ")"});
  copy_elements(dense_copy(values),
                leaf);  // dense: a view of the leaf itself would be read while it is written
  mark_changed(leaf, by, step);
}

void require_defined(std::string_view operation, std::string_view name, const Tensor& x) {
  if (!x.defined())
    fail(operation,
         {.given = std::string(name) + " is undefined",
          .needed = "a tensor",
          .hint = "a default-constructed Tensor holds nothing; zeros({2, 3}) makes one"});
}

void require_floating(std::string_view operation, std::string_view name, const Tensor& x) {
  require_defined(operation, name, x);
  if (!is_floating(x.dtype()))
    fail(operation,
         {.given = std::string(name) + " " + describe(x),
          .needed = "f32 or f64",
          .hint = "x.to(f32); whole numbers in tensor({1, 2}) are i64, tensor({1.0, 2.0}) is f32"});
}

void require_same_dtype(std::string_view operation, const Tensor& a, const Tensor& b) {
  if (a.dtype() != b.dtype())
    fail(operation, {.given = describe(a) + " and " + describe(b),
                     .needed = "one dtype",
                     .hint = "created values are f32 unless told: tensor({…}, f64), or x.to(f32)"});
}

}  // namespace detail

Index Tensor::size(Index axis) const {
  const detail::Header* h = checked();
  return h->extents()[normalize_axis("size", axis, h->rank)];
}

Shape Tensor::shape() const {
  const detail::Header* h = checked();
  return Shape(std::span<const Index>(h->extents(), h->rank));
}

double Tensor::item() const {
  const detail::Header* h = checked();
  if (h->size != 1)
    fail("item", {.given = describe(*this),
                  .needed = "one element",
                  .hint = "sum(x).item(), or x.span<float>()"});
  return visit(h->dtype, [&]<class T>(T) {
    return static_cast<double>(*reinterpret_cast<const T*>(h->data));
  });
}

Index Tensor::item_i64() const {
  static_cast<void>(item());
  return *reinterpret_cast<const Index*>(header_->data);
}

void Tensor::fail_undefined() {
  fail("tensor", {.given = "an undefined tensor was asked for its properties",
                  .needed = "a tensor",
                  .hint = "x.defined() tells; zeros({2, 3}) makes one"});
}

void Tensor::check_span(DType wanted) const {
  const detail::Header* h = checked();
  if (h->dtype != wanted)
    fail("span", {.given = describe(*this) + " as " + std::string(name_of(wanted)),
                  .needed = "its own dtype",
                  .hint = "x.to(" + std::string(name_of(wanted)) + ").span<…>()"});
  if (!h->is(detail::Header::dense))
    fail("span", {.given = describe(*this) + ", a view with gaps",
                  .needed = "elements that lie one after another",
                  .hint = "contiguous(x).span<…>()"});
}

std::string describe(const Tensor& x) {
  if (!x.defined()) return "undefined";
  return std::string(name_of(x.dtype())) + " " + to_string(x.shape());
}

Tensor detach(const Tensor& x) {
  detail::require_defined("detach", "x", x);
  return detail::make_view(*x.header(), detail::extents(x), detail::strides(x), 0);
}

}  // namespace unroll
