#include <unroll/autograd/graph/detail/runs.h>

#include <algorithm>

namespace unroll::graph::detail {

Numbers first_of(const Source& run) { return {run.value, run.node, run.output}; }
Numbers stride_of(const Source& run) {
  return {run.value_stride, run.node_stride, run.output_stride};
}
void set(Source& run, const Numbers& first, const Numbers& stride) {
  run.value = first[0];
  run.node = first[1];
  run.output = first[2];
  run.value_stride = stride[0];
  run.node_stride = stride[1];
  run.output_stride = stride[2];
}
bool alike(const Source& run, const Source& point) {
  if (run.kind != point.kind) return false;
  if (run.kind != Source::Kind::inside && run.kind != Source::Kind::delayed) return true;
  return run.node == point.node && run.output == point.output && run.delay == point.delay &&
         run.variant == point.variant;
}

Numbers first_of(const Result& run) {
  Numbers numbers{};
  std::copy(run.shape.begin(), run.shape.end(), numbers.begin());
  return numbers;
}
Numbers stride_of(const Result& run) { return run.growth; }
void set(Result& run, const Numbers& first, const Numbers& stride) {
  run.shape = Shape(std::span(first).first(at(run.shape.rank())));
  run.growth = stride;
}
bool alike(const Result& run, const Result& point) {
  return run.label == point.label && run.shape.rank() == point.shape.rank();
}

Numbers first_of(const Progress& run) { return {run.first}; }
Numbers stride_of(const Progress& run) { return {run.stride}; }
void set(Progress& run, const Numbers& first, const Numbers& stride) {
  run.first = first[0];
  run.stride = stride[0];
}
bool alike(const Progress& run, const Progress& point) {
  return (run.first < 0) == (point.first < 0);
}

}  // namespace unroll::graph::detail
