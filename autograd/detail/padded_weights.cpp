#include <unroll/autograd/detail/padded_weights.h>
#include <unroll/autograd/detail/recording.h>

#include <algorithm>

namespace unroll::detail {
namespace {
constinit thread_local PaddedWeights* kept_without_tape = nullptr;
}

// A parameter, or what is met for the second time. An address may come again for another tensor,
// whose copy is then made one use too early: of no consequence.
bool PaddedWeights::is_used_often(const Tensor& W) {
  const Header* h = W.header();
  if (h->is(Header::leaf) || std::find(met_.begin(), met_.end(), h) != met_.end()) return true;
  constexpr std::size_t few = 16;
  if (met_.size() == few) met_.erase(met_.begin());
  met_.push_back(h);
  return false;
}

Matrix PaddedWeights::matrix_of(const Tensor& W, Index rows, Tensor& hold) {
  const Matrix m = as_matrix_2d(W, hold);
  if (!padding_pays(W.dtype(), m, rows)) return m;
  const std::uint32_t version = W.header()->block()->version;
  for (Copy& copy : copies_) {
    if (copy.weight.header() != W.header()) continue;
    if (copy.version != version) {
      copy.padded = padded_copy(W.dtype(), m);
      copy.version = version;
    }
    return as_matrix_2d(copy.padded, hold);
  }
  if (!is_used_often(W)) return m;
  copies_.push_back({.weight = W, .version = version, .padded = padded_copy(W.dtype(), m)});
  return as_matrix_2d(copies_.back().padded, hold);
}

Index PaddedWeights::bytes() const {
  Index bytes = 0;
  for (const Copy& copy : copies_)
    bytes += copy.padded.header()->block()->size *
             static_cast<Index>(element_bytes(copy.padded.dtype()));
  return bytes;
}

void PaddedWeights::forget(std::uint64_t tape, std::uint32_t first, std::uint32_t last) {
  std::erase_if(copies_, [&](const Copy& copy) {
    const Header& h = *copy.weight.header();
    return h.tape == tape && h.value >= first && h.value < last && !h.is(Header::leaf);
  });
}

PaddedWeights* current_padded_weights() {
  return tapes.current != nullptr ? &tapes.current->padded_weights : kept_without_tape;
}

KeepWeights::KeepWeights() : before_(kept_without_tape) { kept_without_tape = &weights_; }
KeepWeights::~KeepWeights() { kept_without_tape = before_; }

}  // namespace unroll::detail
