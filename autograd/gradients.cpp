#include <unroll/autograd/create.h>
#include <unroll/autograd/detail/norm.h>
#include <unroll/autograd/detail/recording.h>
#include <unroll/autograd/detail/strided.h>
#include <unroll/autograd/gradients.h>
#include <unroll/autograd/ops/arithmetic.h>

#include <algorithm>
#include <cmath>
#include <cstring>

namespace unroll {
namespace {

// Rows of both, each id once.
RowSparse merged(const RowSparse& a, const RowSparse& b) {
  const auto ia = a.ids.span<Index>();
  const auto ib = b.ids.span<Index>();
  std::vector<Index> ids;
  std::set_union(ia.begin(), ia.end(), ib.begin(), ib.end(), std::back_inserter(ids));
  RowSparse sum{.ids = from(std::span<const Index>(ids), {std::ssize(ids)}),
                .values = zeros({std::ssize(ids), a.shape[-1]}, a.values.dtype()),
                .shape = a.shape};
  const Index columns = a.shape[-1];
  visit_floating(a.values.dtype(), [&]<class T>(T) {
    T* to = detail::data<T>(sum.values);
    for (const RowSparse* part : {&a, &b}) {
      const T* from = detail::data<T>(part->values);
      for (const Index id : part->ids.span<Index>()) {
        T* row = to + (std::lower_bound(ids.begin(), ids.end(), id) - ids.begin()) * columns;
        for (Index i = 0; i < columns; ++i) row[i] += from[i];
        from += columns;
      }
    }
  });
  return sum;
}

}  // namespace

Tensor to_dense(const RowSparse& rows) {
  Tensor dense = zeros(rows.shape, rows.values.dtype());
  const Index columns = rows.shape[-1];
  visit_floating(dense.dtype(), [&]<class T>(T) {
    const T* from = detail::data<T>(rows.values);
    for (const Index id : rows.ids.span<Index>()) {
      std::copy_n(from, columns, detail::data<T>(dense) + id * columns);
      from += columns;
    }
  });
  return dense;
}

const Gradients::Entry* Gradients::find(const Tensor& parameter) const {
  for (const Entry& e : entries_)
    if (e.parameter.header() == parameter.header()) return &e;
  return nullptr;
}

Tensor Gradients::operator[](const Tensor& parameter) const {
  detail::require_defined("gradients", "parameter", parameter);
  const Entry* e = find(parameter);
  if (e == nullptr && detail::leaf_info(*parameter.header()) == nullptr)
    fail_nowhere("gradients", {.given = describe(parameter) + " is not a parameter",
                               .needed = "a parameter that the loss reached",
                               .hint = "tape.gradient(loss, x)"});
  if (e == nullptr)
    fail_nowhere("gradients", {.given = "no gradient of " + detail::leaf_path(*parameter.header()) +
                                        " " + describe(parameter),
                               .needed = "a parameter that the loss reached",
                               .hint = "grads.contains(p) asks; a frozen parameter has none"});
  return e->is_sparse() ? to_dense(e->sparse) : e->dense;
}

void Gradients::insert(Entry entry) {
  const auto at = std::upper_bound(entries_.begin(), entries_.end(), entry,
                                   [](const Entry& a, const Entry& b) { return a.path < b.path; });
  entries_.insert(at, std::move(entry));
}

Gradients& Gradients::operator+=(const Gradients& other) {
  const detail::RecordingOff off;
  Gradients sum = *this;
  for (const Entry& theirs : other.entries_) {
    const auto mine = std::find_if(sum.entries_.begin(), sum.entries_.end(), [&](const Entry& e) {
      return e.parameter.header() == theirs.parameter.header();
    });
    if (mine == sum.entries_.end()) {
      sum.insert(theirs);
    } else if (mine->is_sparse() && theirs.is_sparse()) {
      mine->sparse = merged(mine->sparse, theirs.sparse);
    } else {
      mine->dense = (mine->is_sparse() ? to_dense(mine->sparse) : mine->dense) +
                    (theirs.is_sparse() ? to_dense(theirs.sparse) : theirs.dense);
      mine->sparse = {};
    }
  }
  *this = std::move(sum);
  return *this;
}

Gradients& Gradients::operator*=(double factor) {
  const detail::RecordingOff off;
  Gradients scaled = *this;
  for (Entry& e : scaled.entries_) {
    Tensor& values = e.is_sparse() ? e.sparse.values : e.dense;
    values = values * factor;
  }
  *this = std::move(scaled);
  return *this;
}

double Gradients::norm() const {
  detail::NormSum sum;
  for (const Entry& e : entries_) sum.add(e.is_sparse() ? e.sparse.values : e.dense);
  return sum.norm();
}

}  // namespace unroll
