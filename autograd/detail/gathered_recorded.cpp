// Gradients that are collected while they are recorded: views of one tensor become one placement
// and products of a tensor that is used at many time steps one product. Added one by one, each would
// record a sum of the tensor's whole size for every time step.
#include <unroll/autograd/detail/gradient_pass.h>
#include <unroll/autograd/detail/row_blocks.h>
#include <unroll/autograd/ops/join.h>
#include <unroll/autograd/ops/matmul.h>
#include <unroll/autograd/ops/views.h>
#include <unroll/autograd/ops/views_record.h>

#include <algorithm>

namespace unroll::detail {
namespace {

Tensor flat(const Tensor& x) { return x.rank() == 2 ? x : reshape(x, {row_count(x), x.size(-1)}); }

Tensor under_one_another(std::span<const Tensor> parts) {
  return parts.size() == 1 ? parts[0] : concat(parts, 0);
}

}  // namespace

Tensor GradientPass::transposed(const Tensor& W) {
  // What was computed once more is another header of the same value.
  const Header& h = *W.header();
  const bool recorded = h.tape == tape_.serial;
  Transposed& known = transposed_[recorded ? std::uint64_t{h.value} << 1 | 1U
                                           : std::uint64_t{reinterpret_cast<std::uintptr_t>(&h)}];
  if (!known.of.defined()) known = {W, transpose(W, 0, 1)};
  return known.turned;
}

void GradientPass::add_recorded_region(std::uint32_t value, const Tensor& g, const Layout& layout) {
  slots_[value].set(Slot::deferred);
  Recorded& waiting = recorded_[value];
  waiting.pieces.push_back(g);
  waiting.layouts.push_back(layout);
}

void GradientPass::add_recorded_product(std::uint32_t value, const Tensor& a, const Tensor& g) {
  slots_[value].set(Slot::deferred);
  recorded_[value].products.push_back({flat(a), flat(g), at_});
}

void GradientPass::flush_recorded(std::uint32_t value) {
  const auto found = recorded_.find(value);
  if (found == recorded_.end()) return;
  Recorded list = std::move(found->second);
  recorded_.erase(found);
  if (!list.pieces.empty()) add(value, place(list.pieces, tape_.shape_of(value), list.layouts));
  std::reverse(list.products.begin(), list.products.end());  // oldest step first
  std::vector<Tensor> as, gs;
  for (std::size_t begin = 0; begin < list.products.size();) {
    Index rows = 0;
    as.clear();
    gs.clear();
    for (; begin < list.products.size(); ++begin) {
      const Product& p = list.products[begin];
      if (rows != 0 && rows + p.a.size(0) > rows_at_once) break;
      rows += p.a.size(0);
      as.push_back(p.a);
      gs.push_back(p.g);
    }
    // [K×N] = [rows×K]ᵀ·[rows×N]
    add(value, matmul(transpose(under_one_another(as), 0, 1), under_one_another(gs)));
  }
}

void GradientPass::flush_all_recorded() {
  std::vector<std::uint32_t> waiting;
  for (const auto& entry : recorded_) waiting.push_back(entry.first);
  std::sort(waiting.begin(), waiting.end());
  for (const std::uint32_t value : waiting) {
    slots_[value].clear(Slot::deferred);
    flush_recorded(value);
  }
}

}  // namespace unroll::detail
