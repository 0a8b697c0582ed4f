#include <unroll/autograd/detail/flush_denormals.h>
#include <unroll/autograd/detail/matrix_product.h>
#include <unroll/autograd/detail/strided.h>
#include <unroll/autograd/parallel.h>
#include <unroll/autograd/simd/isa.h>

#include <algorithm>
#include <cstring>

#include <Eigen/Core>

#ifdef UNROLL_HAS_ONEDNN
#include <dnnl.h>

// Of OpenMP's run-time library, which oneDNN brings; its header comes with one compiler only.
extern "C" int omp_get_max_threads();
extern "C" void omp_set_num_threads(int count);
#endif

namespace unroll::detail {
namespace {

template <class T>
void multiply_in_eigen(const Matrix& a, const Matrix& b, bool accumulate, const Matrix& c) {
  using RowMajor = Eigen::Matrix<T, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;
  using Outer = Eigen::OuterStride<>;
  const auto map = [](const Matrix& m) {
    return Eigen::Map<const RowMajor, 0, Outer>(reinterpret_cast<const T*>(m.data), m.rows,
                                                m.columns, Outer(m.row_stride));
  };
  const auto transposed = [](const Matrix& m) {
    return Eigen::Map<const RowMajor, 0, Outer>(reinterpret_cast<const T*>(m.data), m.columns,
                                                m.rows, Outer(m.column_stride))
        .transpose();
  };
  Eigen::Map<RowMajor, 0, Outer> out(reinterpret_cast<T*>(c.data), c.rows, c.columns,
                                     Outer(c.row_stride));
  if (!accumulate) out.setZero();
  const bool ta = a.column_stride != 1;
  const bool tb = b.column_stride != 1;
  if (ta && tb)
    out.noalias() += transposed(a) * transposed(b);
  else if (ta)
    out.noalias() += transposed(a) * map(b);
  else if (tb)
    out.noalias() += map(a) * transposed(b);
  else
    out.noalias() += map(a) * map(b);
}

#ifdef UNROLL_HAS_ONEDNN
// oneDNN's own threads would fight with ours: it gets one, and the caller's setting is put back.
class OneOpenMpThread {
 public:
  OneOpenMpThread() : before_(omp_get_max_threads()) {
    if (before_ != 1) omp_set_num_threads(1);
  }
  ~OneOpenMpThread() {
    if (before_ != 1) omp_set_num_threads(before_);
  }
  OneOpenMpThread(const OneOpenMpThread&) = delete;
  OneOpenMpThread& operator=(const OneOpenMpThread&) = delete;

 private:
  int before_;
};

void multiply_f32(const Matrix& a, const Matrix& b, bool accumulate, const Matrix& c) {
  const OneOpenMpThread one;
  const bool ta = a.column_stride != 1;
  const bool tb = b.column_stride != 1;
  const dnnl_status_t status =
      dnnl_sgemm(ta ? 'T' : 'N', tb ? 'T' : 'N', c.rows, c.columns, a.columns, 1.0F,
                 reinterpret_cast<const float*>(a.data), ta ? a.column_stride : a.row_stride,
                 reinterpret_cast<const float*>(b.data), tb ? b.column_stride : b.row_stride,
                 accumulate ? 1.0F : 0.0F, reinterpret_cast<float*>(c.data), c.row_stride);
  if (status != dnnl_success)
    fail("matmul", {.given = "oneDNN status " + std::to_string(static_cast<int>(status)),
                    .needed = "success",
                    .hint = {}});
}
#else
void multiply_f32(const Matrix& a, const Matrix& b, bool accumulate, const Matrix& c) {
  multiply_in_eigen<float>(a, b, accumulate, c);
}
#endif

void multiply_block(DType dtype, const Matrix& a, const Matrix& b, bool accumulate,
                    const Matrix& c) {
  const FlushDenormals flush;  // a state that has decayed would take many times as long
  if (dtype == f32)
    multiply_f32(a, b, accumulate, c);
  else
    multiply_in_eigen<double>(a, b, accumulate, c);
}

// A leading distance that the libraries accept for a matrix of one row or column.
void mend_strides(Matrix& m) {
  if (m.column_stride == 1 && m.row_stride < m.columns)
    m.row_stride = std::max<Index>(1, m.columns);
  if (m.column_stride != 1 && m.column_stride < m.rows)
    m.column_stride = std::max<Index>(1, m.rows);
}

Matrix block(const Matrix& m, Index row, Index rows, Index column, Index columns,
             std::size_t bytes) {
  return {m.data + (row * m.row_stride + column * m.column_stride) * static_cast<Index>(bytes),
          rows, columns, m.row_stride, m.column_stride};
}

}  // namespace

Matrix as_matrix(const Tensor& x, Tensor& hold) {
  hold = x;
  Rows rows;
  if (!as_rows(extents(x), strides(x), rows)) {
    hold = dense_copy(x);
    as_rows(extents(hold), strides(hold), rows);
  }
  return {hold.header()->data, rows.rows, rows.columns, rows.stride, 1};
}

Matrix as_matrix_2d(const Tensor& x, Tensor& hold) {
  hold = x;
  const std::span<const Index> extent = extents(x);
  const std::span<const Index> stride = strides(x);
  const bool rows_dense =
      (stride[1] == 1 || extent[1] == 1) && (stride[0] >= extent[1] || extent[0] == 1);
  const bool columns_dense =
      (stride[0] == 1 || extent[0] == 1) && (stride[1] >= extent[0] || extent[1] == 1);
  if (rows_dense) return {x.header()->data, extent[0], extent[1], stride[0], 1};
  if (columns_dense) return {x.header()->data, extent[0], extent[1], 1, stride[1]};
  hold = dense_copy(x);
  return {hold.header()->data, extent[0], extent[1], extent[1], 1};
}

bool padding_pays(DType dtype, const Matrix& b, Index rows) {
#ifdef UNROLL_HAS_ONEDNN
  constexpr Index few_rows = 8;  // below, the product only streams through b
  return dtype == f32 && b.column_stride == 1 && b.row_stride * 4 % 1024 == 0 &&
         b.row_stride == b.columns && rows >= few_rows && b.rows > 8 &&
         simd::active_isa() != simd::Isa::avx512;
#else
  static_cast<void>(dtype), static_cast<void>(b), static_cast<void>(rows);
  return false;  // Eigen makes copies of its own
#endif
}

Tensor padded_copy(DType dtype, const Matrix& b) {
  constexpr Index room = 16;
  const Tensor wide = empty({b.rows, b.columns + room}, dtype);
  Tensor padded = make_view(*wide.header(), std::array{b.rows, b.columns},
                            std::array{b.columns + room, Index{1}}, 0);
  const auto bytes = static_cast<Index>(element_bytes(dtype));
  const std::byte* const from = b.data;
  std::byte* const to = padded.header()->data;
  parallel_for(b.rows, std::max<Index>(1, 65536 / std::max<Index>(1, b.columns)),
               [&](Index begin, Index end) {
                 for (Index i = begin; i < end; ++i)
                   std::memcpy(to + i * (b.columns + room) * bytes, from + i * b.row_stride * bytes,
                               static_cast<std::size_t>(b.columns * bytes));
               });
  return padded;
}

void multiply(DType dtype, const Matrix& a0, const Matrix& b0, bool accumulate, const Matrix& c0) {
  Matrix a = a0;
  Matrix b = b0;
  Matrix c = c0;
  if (c.rows == 0 || c.columns == 0) return;
  const std::size_t bytes = element_bytes(dtype);
  Tensor hold;
  if (padding_pays(dtype, b, c.rows)) b = as_matrix_2d(hold = padded_copy(dtype, b), hold);
  if (a.columns == 0) {
    for (Index i = 0; i < c.rows && !accumulate; ++i)
      std::fill_n(c.data + i * c.row_stride * static_cast<Index>(bytes),
                  static_cast<std::size_t>(c.columns) * bytes, std::byte{0});
    return;
  }
  mend_strides(a);
  mend_strides(b);
  mend_strides(c);
  // Few and large tasks, fixed by the shapes alone: each prepares the operand that is not cut anew,
  // so the smaller one is the one to be whole.
  constexpr Index work = Index{1} << 24;  // multiplications
  constexpr Index most_tasks = 2;
  const double total =
      static_cast<double>(c.rows) * static_cast<double>(c.columns) * static_cast<double>(a.columns);
  const Index tasks = std::clamp<Index>(static_cast<Index>(total / work), 1, most_tasks);
  const bool by_rows = c.columns <= c.rows;
  const Index extent = by_rows ? c.rows : c.columns;
  constexpr Index even = 32;  // rows or columns, so that no task has odd ends
  const Index grain = ((extent + tasks - 1) / tasks + even - 1) / even * even;
  parallel_for(extent, grain, [&](Index begin, Index end) {
    if (by_rows)
      multiply_block(dtype, block(a, begin, end - begin, 0, a.columns, bytes), b, accumulate,
                     block(c, begin, end - begin, 0, c.columns, bytes));
    else
      multiply_block(dtype, a, block(b, 0, b.rows, begin, end - begin, bytes), accumulate,
                     block(c, 0, c.rows, begin, end - begin, bytes));
  });
}

}  // namespace unroll::detail
