#pragma once

#include <unroll/autograd/tensor.h>

#include <memory>
#include <string>

namespace unroll::detail {

class GradientHooks;

// Who a leaf is. Shared by its headers and by whoever holds it, so that a path can still be told
// when the module has gone.
struct LeafInfo {
  using PathOf = std::string (*)(const void* owner);

  const void* owner = nullptr;  // asked for the path while it lives
  PathOf path_of = nullptr;
  std::string last_path;                  // what to say afterwards
  const char* changed_by = "assignment";  // the last writer of the elements
  Index changed_at = -1;                  // its step, where it counts them
  std::shared_ptr<GradientHooks> hooks;   // on its gradient; null: none
  const Header* current = nullptr;  // the leaf's header now; a change of dtype makes a new one

  std::string path() const { return owner != nullptr ? path_of(owner) : last_path; }
};

// A leaf with uninitialised elements.
Tensor make_leaf(const Shape& shape, DType dtype, std::shared_ptr<LeafInfo> info);

// The info of a leaf; null for any other tensor.
const std::shared_ptr<LeafInfo>& leaf_info(const Header& header);
// Path of a leaf, "a tensor" for any other.
std::string leaf_path(const Header& header);

// Raises the version of a leaf's elements, so that tapes that read them notice.
void mark_changed(const Tensor& leaf, const char* by, Index step = -1);

// Writes values of equal shape and dtype over a leaf's elements.
void overwrite(const Tensor& leaf, const Tensor& values, const char* by, Index step = -1);

}  // namespace unroll::detail
