// From strides, broadcasts, tails and sums to stretches of whole packets. Compiled by
// for_each_isa.h in driver.cpp.

namespace unroll::simd::UNROLL_SIMD_ISA {
namespace {

// What cannot be read or written in place goes through buffers of this many bytes.
constexpr Index buffer_bytes = 1024;

template <class T>
constexpr Index buffer_size = buffer_bytes / static_cast<Index>(sizeof(T));

template <class T>
const T* row_of(const PointwiseInput& in, Index r) {
  return reinterpret_cast<const T*>(in.data) + r * in.row_stride;
}
template <class T>
T* row_of(const PointwiseOutput& out, Index r) {
  return reinterpret_cast<T*>(out.data) + r * out.row_stride;
}

// Touches the n elements of `to` alone: those behind them may be another task's.
template <class T>
void put(const T* from, Index n, bool add, T* to) {
  Index i = 0;
  for (; i + Packet<T>::size <= n; i += Packet<T>::size) {
    const auto x = Packet<T>::load(from + i);
    (add ? x + Packet<T>::load(to + i) : x).store(to + i);
  }
  for (; i < n; ++i) to[i] = add ? from[i] + to[i] : from[i];
}

// Whether all rows follow each other without a gap, so that they are one long row.
bool is_one_row(int inputs, int outputs, Index columns, const PointwiseInput* in,
                const PointwiseOutput* out) {
  for (int i = 0; i < inputs; ++i)
    if (in[i].row_stride != columns * in[i].column_stride) return false;
  for (int k = 0; k < outputs; ++k)
    if (out[k].data != nullptr && out[k].row_stride != columns) return false;
  return true;
}

// Whether every row can be read and written where it lies.
template <class T>
bool is_direct(int inputs, int outputs, Index columns, const PointwiseInput* in,
               const PointwiseOutput* out) {
  if (columns != 1)
    for (int i = 0; i < inputs; ++i)
      if (in[i].column_stride == 0) return false;
  const bool whole = columns % Packet<T>::size == 0;
  for (int k = 0; k < outputs; ++k)
    if (out[k].data == nullptr || out[k].accumulate || !(whole || out[k].whole_packets))
      return false;
  return true;
}

// At most one packet, as of a tensor with one element.
template <class T>
void drive_one(Stretch<T> stretch, const void* f, int inputs, int outputs, Index columns,
               const PointwiseInput* in, const PointwiseOutput* out) {
  alignas(64) T aside[max_table_outputs][Packet<T>::size];
  const T* x[max_table_inputs];
  T* y[max_table_outputs];
  bool all_in_place = true;
  for (int i = 0; i < inputs; ++i) x[i] = reinterpret_cast<const T*>(in[i].data);
  int k = 0;
  do {  // there is at least one
    const bool in_place = out[k].whole_packets && !out[k].accumulate && out[k].data != nullptr;
    y[k] = in_place ? reinterpret_cast<T*>(out[k].data) : aside[k];
    all_in_place &= in_place;
  } while (++k < outputs);
  stretch(f, columns, x, y);
  if (all_in_place) return;
  for (k = 0; k < outputs; ++k)
    if (y[k] == aside[k] && out[k].data != nullptr)
      put(aside[k], columns, out[k].accumulate, reinterpret_cast<T*>(out[k].data));
}

template <class T>
[[gnu::noinline]] void drive_buffered(Stretch<T> stretch, const void* f, int inputs, int outputs,
                                      Index rows, Index columns, const PointwiseInput* in,
                                      const PointwiseOutput* out) {
  alignas(64) std::byte memory[(max_table_inputs + max_table_outputs) * buffer_bytes];
  T* free = reinterpret_cast<T*>(memory);
  T* x_buffer[max_table_inputs];  // null where read in place
  T* y_buffer[max_table_outputs];
  Index step = columns - columns % Packet<T>::size;  // without a buffer: all whole packets at once
  for (int i = 0; i < inputs; ++i) {
    x_buffer[i] = in[i].column_stride == 0 ? free : nullptr;
    if (x_buffer[i] != nullptr) free += buffer_size<T>, step = buffer_size<T>;
  }
  for (int k = 0; k < outputs; ++k) {
    y_buffer[k] = free, free += buffer_size<T>;
    if (out[k].data == nullptr || out[k].accumulate) step = buffer_size<T>;
  }
  if (step == 0) step = Packet<T>::size;

  const T* x[max_table_inputs];
  T* y[max_table_outputs];
  for (Index r = 0; r < rows; ++r) {
    for (int i = 0; i < inputs; ++i)
      if (x_buffer[i] != nullptr && (r == 0 || in[i].row_stride != 0))
        std::fill_n(x_buffer[i], std::min(columns + Packet<T>::size, buffer_size<T>),
                    *row_of<T>(in[i], r));
    for (Index c = 0, n; c < columns; c += n) {
      n = std::min(step, columns - c);
      for (int i = 0; i < inputs; ++i)
        x[i] = x_buffer[i] != nullptr ? x_buffer[i] : row_of<T>(in[i], r) + c;
      const bool whole = n % Packet<T>::size == 0;
      const auto in_place = [&](int k) {
        return out[k].data != nullptr && !out[k].accumulate && (whole || out[k].whole_packets);
      };
      for (int k = 0; k < outputs; ++k) y[k] = in_place(k) ? row_of<T>(out[k], r) + c : y_buffer[k];
      stretch(f, n, x, y);
      for (int k = 0; k < outputs; ++k)
        if (out[k].data != nullptr && !in_place(k))
          put(y_buffer[k], n, out[k].accumulate, row_of<T>(out[k], r) + c);
    }
  }
}

}  // namespace

template <class T>
void drive(Stretch<T> stretch, const void* f, int inputs, int outputs, Index rows, Index columns,
           const PointwiseInput* in, const PointwiseOutput* out) {
  if (rows == 1 && columns == 1) {
    drive_one(stretch, f, inputs, outputs, columns, in, out);
    return;
  }
  if (rows <= 0 || columns <= 0) return;
  if (rows > 1 && is_one_row(inputs, outputs, columns, in, out)) {
    columns *= rows;
    rows = 1;
  }
  if (!is_direct<T>(inputs, outputs, columns, in, out)) {
    drive_buffered(stretch, f, inputs, outputs, rows, columns, in, out);
    return;
  }
  const T* x[max_table_inputs];
  T* y[max_table_outputs];
  for (Index r = 0; r < rows; ++r) {
    for (int i = 0; i < inputs; ++i) x[i] = row_of<T>(in[i], r);
    for (int k = 0; k < outputs; ++k) y[k] = row_of<T>(out[k], r);
    stretch(f, columns, x, y);
  }
}

template void drive<float>(Stretch<float>, const void*, int, int, Index, Index,
                           const PointwiseInput*, const PointwiseOutput*);
template void drive<double>(Stretch<double>, const void*, int, int, Index, Index,
                            const PointwiseInput*, const PointwiseOutput*);

}  // namespace unroll::simd::UNROLL_SIMD_ISA
