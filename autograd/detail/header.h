#pragma once

#include <unroll/autograd/dtype.h>
#include <unroll/autograd/index.h>

#include <atomic>
#include <cstddef>
#include <cstdint>

namespace unroll::detail {

// What a history refers to when there is none.
inline constexpr std::uint32_t no_value = 0xffffffffU;

// A tensor in memory: this struct, then Index extents[rank], Index strides[rank] (in elements), and
// in a leaf a LeafInfo*. A header that owns its elements is followed by them at the next multiple
// of 64 bytes, in one block of the pool; a view is a header alone and keeps the owning header
// alive, never another view, so that nothing chains. The history is two numbers and owns nothing.
struct Header {
  enum Flag : std::uint8_t {
    dense = 1,   // row-major without gaps
    leaf = 2,    // a parameter: has gradients on every tape that it is used on
    frozen = 4,  // a leaf that is a constant from the next tape on
    pinned = 8,  // owner of a gradient buffer that deferred products still read
  };

  std::atomic<std::uint32_t> references;
  DType dtype;
  std::uint8_t rank;
  std::uint8_t flags;
  std::uint8_t block_class;  // of the pool
  std::byte* data;
  Header* owner;          // null: owns its elements
  Index size;             // number of elements
  std::uint64_t tape;     // serial of the tape with this tensor's history; 0: none
  std::uint32_t value;    // index of a value on that tape
  std::uint32_t version;  // of the elements; meaningful in an owner

  Index* extents() { return reinterpret_cast<Index*>(this + 1); }
  const Index* extents() const { return reinterpret_cast<const Index*>(this + 1); }
  Index* strides() { return extents() + rank; }
  const Index* strides() const { return extents() + rank; }
  Header* block() { return owner != nullptr ? owner : this; }
  const Header* block() const { return owner != nullptr ? owner : this; }
  bool is(Flag flag) const { return (flags & flag) != 0; }
};
static_assert(sizeof(Header) == 48, "a header of rank 1 fills one cache line");

// Gives the header, and with the last reference its elements, back to the pool.
void destroy(Header* header) noexcept;

inline void retain(Header* header) noexcept {
  header->references.fetch_add(1, std::memory_order_relaxed);
}
inline void release(Header* header) noexcept {
  if (header->references.fetch_sub(1, std::memory_order_acq_rel) == 1) destroy(header);
}

}  // namespace unroll::detail
