#pragma once

#include <algorithm>
#include <cstddef>
#include <vector>

namespace unroll::detail {

// Afterwards `more` elements can be appended without a throw.
template <class T>
void make_room(std::vector<T>& list, std::size_t more) {
  if (list.capacity() - list.size() >= more) return;
  list.reserve(std::max(2 * list.capacity(), list.size() + more));
}

}  // namespace unroll::detail
