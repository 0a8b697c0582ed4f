#include <unroll/autograd/detail/recording.h>
#include <unroll/autograd/detail/strided.h>
#include <unroll/autograd/recompute.h>

#include <array>
#include <cstring>

namespace unroll {

bool is_recomputing() {
  for (const detail::Recording* tape = detail::tapes.top; tape != nullptr; tape = tape->outer)
    if (tape->recomputed.replaying()) return true;
  return false;
}

namespace detail {

bool Recomputed::wanted() { return tapes.current != nullptr; }

Recomputed::Recomputed() : tape_(tapes.current), part_(tape_->recomputed.begin(*tape_)) {}

Recomputed::~Recomputed() {
  if (tape_ != nullptr) tape_->recomputed.abandon(part_);
}

void Recomputed::keeps(const Tensor& x) {
  if (x.defined()) tape_->recomputed.keeps(part_, *x.header());
}

void Recomputed::finish(Function again, std::uint64_t fingerprint) {
  tape_->recomputed.end(*tape_, part_, std::move(again), fingerprint);
  tape_ = nullptr;
}

void add_to_fingerprint(const Tensor& x, std::uint64_t& sum) {
  constexpr std::uint64_t odd = 0x9e3779b97f4a7c15U;
  const auto mix = [](std::uint64_t state, std::uint64_t word) {
    state = (state ^ word) * odd;
    return state ^ (state >> 32);
  };
  if (!x.defined()) {
    sum = mix(sum, 1);
    return;
  }
  for (const Index extent : extents(x)) sum = mix(sum, static_cast<std::uint64_t>(extent));
  const Tensor dense = dense_copy(x);
  const std::byte* from = dense.header()->data;
  std::size_t bytes = static_cast<std::size_t>(x.size()) * element_bytes(x.dtype());
  std::array<std::uint64_t, 4> lanes{sum, 2, 3, 4};  // side by side: a product takes its time
  for (; bytes >= 32; bytes -= 32, from += 32)
    for (std::size_t i = 0; i < 4; ++i) {
      std::uint64_t word = 0;
      std::memcpy(&word, from + 8 * i, 8);
      lanes[i] = mix(lanes[i], word);
    }
  for (const std::uint64_t lane : lanes) sum = mix(sum, lane);
  for (; bytes >= 4; bytes -= 4, from += 4) {
    std::uint32_t word = 0;
    std::memcpy(&word, from, 4);
    sum = mix(sum, word);
  }
}

}  // namespace detail
}  // namespace unroll
