// The yardstick: what the layers of an LSTM cost with nothing around them. Products as the library
// makes them, the fused pointwise kernels, weights padded once a call, gradients of weights as one
// product each.
#include <unroll/autograd/detail/matrix_product.h>
#include <unroll/unroll.h>

#include <memory>

#include "cases.h"

using namespace unroll;
using unroll::detail::Matrix;

namespace {

constexpr auto formula = [](auto i, auto f, auto g, auto o, auto c0) {
  auto c1 = sigmoid(f) * c0 + sigmoid(i) * tanh(g);
  return std::tuple{sigmoid(o) * tanh(c1), c1};
};

float* floats(const Tensor& x) { return unroll::detail::data<float>(x); }

Matrix matrix(float* data, Index rows, Index columns, Index stride) {
  return {reinterpret_cast<std::byte*>(data), rows, columns, stride, 1};
}

struct Layer {
  Tensor Wx, Wh, b, gates, dgates, h, c, dh, dWx, dWh, db;
};

class Bare {
 public:
  explicit Bare(const Sizes& s)
      : s_(s),
        x_(uniform({s.steps * s.batch, s.input}, -1, 1)),
        up_(uniform({s.steps * s.batch, s.hidden}, -1, 1)) {
    for (Index l = 0; l < s.layers; ++l) {
      const Index input = l == 0 ? s.input : s.hidden;
      const Index n = s.steps * s.batch;
      layers_.push_back({.Wx = uniform({input, 4 * s.hidden}, -0.1, 0.1),
                         .Wh = uniform({s.hidden, 4 * s.hidden}, -0.1, 0.1),
                         .b = zeros({4 * s.hidden}),
                         .gates = zeros({n, 4 * s.hidden}),
                         .dgates = zeros({n, 4 * s.hidden}),
                         .h = zeros({n + s.batch, s.hidden}),
                         .c = zeros({n + s.batch, s.hidden}),
                         .dh = zeros({n, s.hidden}),
                         .dWx = zeros({input, 4 * s.hidden}),
                         .dWh = zeros({s.hidden, 4 * s.hidden}),
                         .db = zeros({4 * s.hidden})});
    }
    dc_ = zeros({s.batch, s.hidden});
  }

  void forward() {
    float* in = floats(x_);
    Index input = s_.input;
    for (Layer& l : layers_) {
      const Index n = s_.steps * s_.batch, H = s_.hidden, G = 4 * H;
      for (Index r = 0; r < n; ++r) std::copy_n(floats(l.b), G, floats(l.gates) + r * G);
      unroll::detail::multiply(f32, matrix(in, n, input, input), matrix(floats(l.Wx), input, G, G),
                               true, matrix(floats(l.gates), n, G, G));
      Tensor hold;
      const Matrix Wh = padded(l.Wh, hold);
      for (Index t = 0; t < s_.steps; ++t) {
        float* g = floats(l.gates) + t * s_.batch * G;
        float* h = floats(l.h) + t * s_.batch * H;
        float* c = floats(l.c) + t * s_.batch * H;
        unroll::detail::multiply(f32, matrix(h, s_.batch, H, H), Wh, true,
                                 matrix(g, s_.batch, G, G));
        const std::array<simd::PointwiseInput, 5> inputs{at(g, G), at(g + H, G), at(g + 2 * H, G),
                                                         at(g + 3 * H, G), at(c, H)};
        const std::array<simd::PointwiseOutput, 2> outputs{to(h + s_.batch * H, H, false),
                                                           to(c + s_.batch * H, H, false)};
        kernel_(nullptr, s_.batch, H, inputs.data(), outputs.data());
      }
      in = floats(l.h) + s_.batch * H;
      input = H;
    }
  }

  void backward() {
    const Index n = s_.steps * s_.batch, H = s_.hidden, G = 4 * H;
    std::copy_n(floats(up_), n * H, floats(layers_.back().dh));
    for (std::size_t k = layers_.size(); k-- > 0;) {
      Layer& l = layers_[k];
      std::fill_n(floats(dc_), s_.batch * H, 0.0F);
      Tensor hold;
      const Matrix Wh = padded(l.Wh, hold).transposed();
      for (Index t = s_.steps; t-- > 0;) {
        float* g = floats(l.gates) + t * s_.batch * G;
        float* d = floats(l.dgates) + t * s_.batch * G;
        float* dh = floats(l.dh) + t * s_.batch * H;
        const std::array<simd::PointwiseInput, 7> inputs{at(g, G),
                                                         at(g + H, G),
                                                         at(g + 2 * H, G),
                                                         at(g + 3 * H, G),
                                                         at(floats(l.c) + t * s_.batch * H, H),
                                                         at(dh, H),
                                                         at(floats(dc_), H)};
        const std::array<simd::PointwiseOutput, 5> outputs{
            to(d, G, false), to(d + H, G, false), to(d + 2 * H, G, false), to(d + 3 * H, G, false),
            to(floats(dc_), H, false)};
        gradient_(nullptr, s_.batch, H, inputs.data(), outputs.data());
        if (t > 0)
          unroll::detail::multiply(f32, matrix(d, s_.batch, G, G), Wh, true,
                                   matrix(dh - s_.batch * H, s_.batch, H, H));
      }
      const Index input = k == 0 ? s_.input : H;
      float* in = k == 0 ? floats(x_) : floats(layers_[k - 1].h) + s_.batch * H;
      unroll::detail::multiply(f32, matrix(floats(l.h), n, H, H).transposed(),
                               matrix(floats(l.dgates), n, G, G), false,
                               matrix(floats(l.dWh), H, G, G));
      unroll::detail::multiply(f32, matrix(in, n, input, input).transposed(),
                               matrix(floats(l.dgates), n, G, G), false,
                               matrix(floats(l.dWx), input, G, G));
      l.db = sum(l.dgates, 0);
      if (k > 0)
        unroll::detail::multiply(f32, matrix(floats(l.dgates), n, G, G),
                                 matrix(floats(l.Wx), input, G, G).transposed(), false,
                                 matrix(floats(layers_[k - 1].dh), n, H, H));
    }
  }

 private:
  static simd::PointwiseInput at(const float* data, Index stride) {
    return {reinterpret_cast<const std::byte*>(data), stride, 1};
  }
  static simd::PointwiseOutput to(float* data, Index stride, bool accumulate) {
    return {reinterpret_cast<std::byte*>(data), stride, accumulate, false};
  }
  Matrix padded(const Tensor& W, Tensor& hold) const {
    const Matrix m = unroll::detail::as_matrix_2d(W, hold);
    if (!unroll::detail::padding_pays(f32, m, s_.batch)) return m;
    Tensor copy = unroll::detail::padded_copy(f32, m);
    return unroll::detail::as_matrix_2d(copy, hold);
  }

  Sizes s_;
  Tensor x_, up_, dc_;
  std::vector<Layer> layers_;
  const simd::PointwiseTable& table_ = simd::pointwise_table<decltype(formula), 5, 1>();
  simd::PointwiseKernel kernel_ = table_.best(simd::Element::f32);
  simd::PointwiseKernel gradient_ = table_.gradient->best(simd::Element::f32);
};

}  // namespace

std::function<void()> bare_lstm(const Sizes& sizes, bool train) {
  auto bare = std::make_shared<Bare>(sizes);
  return [bare, train] {
    bare->forward();
    if (train) bare->backward();
  };
}
