// Gradients that are collected and added together: products of a tensor that is used at many time
// steps, and rows of a table.
#include <unroll/autograd/detail/check_finite.h>
#include <unroll/autograd/detail/gradient_pass.h>
#include <unroll/autograd/detail/matrix_product.h>
#include <unroll/autograd/detail/measurements.h>
#include <unroll/autograd/detail/row_blocks.h>

#include <algorithm>
#include <cstring>

namespace unroll::detail {
namespace {

// The rows of several tensors under one another. Nothing is copied where they lie so already.
Matrix gather(std::span<const Tensor> parts, Index rows, Tensor& hold) {
  Tensor one;
  const Matrix first = as_matrix(parts.front(), one);
  if (parts.size() == 1) {
    hold = one;
    return first;
  }
  const auto bytes = static_cast<Index>(element_bytes(parts.front().dtype()));
  const std::byte* expected = first.data;
  bool adjacent = true;
  for (const Tensor& part : parts) {
    Rows r;
    adjacent = adjacent && as_rows(extents(part), strides(part), r) &&
               part.header()->data == expected && (r.stride == first.row_stride || r.rows == 1);
    if (!adjacent) break;
    expected += r.rows * first.row_stride * bytes;
  }
  if (adjacent) return {first.data, rows, first.columns, first.row_stride, 1};
  hold = empty({rows, first.columns}, parts.front().dtype());
  std::byte* to = hold.header()->data;
  const auto row_bytes = static_cast<std::size_t>(first.columns * bytes);
  for (const Tensor& part : parts) {
    Tensor dense;
    const Matrix m = as_matrix(part, dense);
    for (Index i = 0; i < m.rows; ++i, to += row_bytes)
      std::memcpy(to, m.data + i * m.row_stride * bytes, row_bytes);
  }
  return {hold.header()->data, rows, first.columns, first.columns, 1};
}

// Adds rows to a table, those of the oldest step first.
void add_rows_to(const Tensor& buffer, const std::vector<SparseRows>& list) {
  Tensor hold;
  const Matrix table = as_matrix(buffer, hold);
  visit_floating(buffer.dtype(), [&]<class T>(T) {
    for (auto part = list.rbegin(); part != list.rend(); ++part) {
      const Tensor ids = dense_copy(part->ids);
      const T* from = data<T>(part->rows);
      for (const Index id : ids.span<Index>()) {
        T* row = reinterpret_cast<T*>(table.data) + id * table.row_stride;
        for (Index i = 0; i < table.columns; ++i) row[i] += from[i];
        from += table.columns;
      }
    }
  });
}

}  // namespace

// Adding to a gradient that a product has still to read would change what it reads.
void GradientPass::pin(const Tensor& g) {
  Header* block = g.header()->block();
  ++pins_[block];
  block->flags |= Header::pinned;
}

void GradientPass::unpin(const Tensor& g) {
  Header* block = g.header()->block();
  const auto found = pins_.find(block);
  if (found == pins_.end()) return;  // it could not be entered
  if (--found->second > 0) return;
  block->flags = static_cast<std::uint8_t>(block->flags & ~Header::pinned);
  pins_.erase(found);
}

void GradientPass::defer_product(std::uint32_t value, const Tensor& a, const Tensor& g) {
  slots_[value].set(Slot::deferred);
  Products& waiting = products_[value];
  waiting.list.push_back({a, g, at_});
  waiting.rows += row_count(a);
  pin(g);
  // The rule that is at work may read what a product writes: afterwards.
  if (waiting.rows >= rows_at_once) ready_.push_back(value);
}

// Products taken out of the map; those that nobody took further are unpinned.
struct GradientPass::TakenProducts {
  GradientPass& pass;
  Products waiting;

  TakenProducts(GradientPass& of, decltype(products_)::iterator found)
      : pass(of), waiting(std::move(found->second)) {
    of.products_.erase(found);
  }
  ~TakenProducts() {
    for (const Product& p : waiting.list)
      if (p.g.defined()) pass.unpin(p.g);
  }
  TakenProducts(const TakenProducts&) = delete;
  TakenProducts& operator=(const TakenProducts&) = delete;
};

void GradientPass::flush(std::uint32_t value) {
  slots_[value].clear(Slot::deferred);
  if (options_.differentiable) return flush_recorded(value);
  const auto found = products_.find(value);
  if (found == products_.end()) return;
  TakenProducts taken(*this, found);
  multiply_blocks(value, taken.waiting, true);
}

void GradientPass::flush_ready() {
  for (const std::uint32_t value : std::exchange(ready_, {})) {
    const auto found = products_.find(value);
    if (found == products_.end() || found->second.rows < rows_at_once) continue;
    TakenProducts taken(*this, found);
    multiply_blocks(value, taken.waiting, false);
    if (taken.waiting.list.empty()) {
      slots_[value].clear(Slot::deferred);
    } else {
      slots_[value].set(Slot::deferred);
      products_[value] = std::move(taken.waiting);
    }
  }
}

// Adds the products block by block, in the order in which they came, and leaves those of the last
// block where more may come to it.
void GradientPass::multiply_blocks(std::uint32_t value, Products& waiting, bool all) {
  Destination to = claim_destination(value);
  if (to.read_by_others) {
    // What is written where something is still read may be where these products read.
    for (Product& p : waiting.list) {
      const Tensor copy = empty_like(*p.g.header());
      copy_elements(p.g, copy);
      pin(copy);
      unpin(p.g);
      p.g = copy;
    }
    to = destination(value);
  }
  std::vector<Product> kept = tape_.check_finite ? waiting.list : std::vector<Product>();
  Tensor hold;
  const Matrix c = as_matrix(to.buffer, hold);
  bool accumulate = to.accumulate;
  std::vector<Tensor> as, gs;
  std::vector<std::pair<std::uint32_t, Index>> shares;  // nodes and rows, where they are timed
  std::size_t begin = 0;
  while (begin < waiting.list.size()) {
    Measurements::Clock::time_point began;
    if (timings_ != nullptr) began = Measurements::Clock::now();
    shares.clear();
    Index rows = row_count(waiting.list[begin].a);
    std::size_t end = begin + 1;
    for (; end < waiting.list.size(); ++end) {
      const Index more = row_count(waiting.list[end].a);
      if (rows + more > rows_at_once) break;
      rows += more;
    }
    if (!all && end == waiting.list.size() && rows < rows_at_once) break;
    waiting.rows -= rows;
    as.clear();
    gs.clear();
    as.reserve(end - begin);
    gs.reserve(end - begin);
    for (std::size_t i = end; i-- > begin;) {  // oldest step first
      if (timings_ != nullptr)
        shares.emplace_back(waiting.list[i].node, row_count(waiting.list[i].a));
      unpin(waiting.list[i].g);
      as.push_back(std::move(waiting.list[i].a));
      gs.push_back(std::move(waiting.list[i].g));
    }
    begin = end;
    Tensor hold_a, hold_g;
    const Matrix a = gather(as, rows, hold_a);
    const Matrix g = gather(gs, rows, hold_g);
    multiply(to.buffer.dtype(), a.transposed(), g, accumulate, c);  // [K×N] += [rows×K]ᵀ·[rows×N]
    accumulate = true;
    const auto all_rows = static_cast<double>(std::max(rows, Index{1}));
    for (const auto& [node, share] : shares)
      timings_->add_backward(node, began, static_cast<double>(share) / all_rows);
  }
  if (tape_.check_finite) {
    kept.resize(begin);
    std::reverse(kept.begin(), kept.end());
    check_products(value, kept, to.buffer);
  }
  waiting.list.erase(waiting.list.begin(),
                     waiting.list.begin() + static_cast<std::ptrdiff_t>(begin));
}

void GradientPass::flush_all() {
  if (options_.differentiable) return flush_all_recorded();
  std::vector<std::uint32_t> waiting;
  for (const auto& entry : products_) waiting.push_back(entry.first);
  std::sort(waiting.begin(), waiting.end());
  for (const std::uint32_t value : waiting) flush(value);
}

void GradientPass::add_rows(std::uint32_t value, const Tensor& ids, const Tensor& rows) {
  slots_[value].set(Slot::sparse);
  rows_[value].push_back({ids, dense_copy(rows)});
}

void GradientPass::flush_rows(std::uint32_t value) {
  slots_[value].clear(Slot::sparse);
  const auto found = rows_.find(value);
  if (found == rows_.end()) return;
  const std::vector<SparseRows> list = std::move(found->second);
  rows_.erase(found);
  const Destination to = destination(value);
  if (!to.accumulate) fill_elements(to.buffer, 0);
  add_rows_to(to.buffer, list);
  if (tape_.check_finite) check_sum(tape_, value, to.buffer);
}

Tensor GradientPass::dense_of_rows(std::uint32_t value, const std::vector<SparseRows>& rows) const {
  Tensor table = empty(tape_.shape_of(value), tape_.dtype_of_value(value));
  fill_elements(table, 0);
  add_rows_to(table, rows);
  return table;
}

}  // namespace unroll::detail
