// Derivatives of recurrent layers against PyTorch in double: by the weights and by the input, of
// deep and bidirectional layers, with lengths and without.
#include <boost/test/data/test_case.hpp>
#include <boost/test/unit_test.hpp>

#include "support/fixture_file.h"
#include "support/numeric.h"
#include "support/recurrent_fixture.h"

namespace unroll::test {
namespace {

// Rows of padded sequences, each with its length: cut with functions of its own.
struct Padded {
  Tensor x;  // [T, B, F]
  Tensor w;  // [T, B, H]
  std::vector<Index> lengths;
};
Index count_rows(const Padded& batch) { return batch.x.size(1); }
Padded slice_rows(const Padded& batch, Index begin, Index end) {
  const SliceOptions rows{.axis = 1, .from = begin, .to = end};
  std::vector<Index> lengths;
  if (!batch.lengths.empty())
    lengths.assign(batch.lengths.begin() + begin, batch.lengths.begin() + end);
  return {.x = slice(batch.x, rows), .w = slice(batch.w, rows), .lengths = lengths};
}

void check(const Tensor& ours, const Tensor& theirs, const std::string& what) {
  BOOST_TEST_CONTEXT(what) BOOST_TEST(disagreement(ours, theirs, {.relative = 1e-12}) == "");
}

// The elements of all parameters behind one another, and back.
class Flat {
 public:
  explicit Flat(const nn::Module& model) : parameters_(model.parameters()) {}

  void assign(const Tensor& vector) const {
    for_each_part(vector, [](const Tensor& p, const Tensor& part) {
      unroll::detail::overwrite(p, part, "fixture");
    });
  }
  Gradients direction(const Tensor& vector) const {
    Gradients all;
    for_each_part(vector, [&](const Tensor& p, const Tensor& part) {
      all.insert({.parameter = p, .path = unroll::detail::leaf_path(*p.header()), .dense = part});
    });
    return all;
  }
  // [lead…, n] of tensors [lead…, p.shape…], where `lead` is the shape before a parameter's.
  template <class Of>
  Tensor joined(const Of& of, const Shape& lead = {}) const {
    std::vector<Tensor> parts;
    const Shape shape = lead.inserted(lead.rank(), 0);
    for (const auto& [path, p] : parameters_)
      parts.push_back(reshape(of[p], shape.with(-1, p.size())));
    return concat(parts, -1);
  }

 private:
  template <class F>
  void for_each_part(const Tensor& vector, const F& f) const {
    Index at = 0;
    for (const auto& [path, p] : parameters_) {
      f(p, contiguous(reshape(slice(vector, {.from = at, .to = at + p.size()}), p.shape())));
      at += p.size();
    }
    BOOST_TEST(at == vector.size());
  }

  ParameterList parameters_;
};

template <class Layer>
void check_case(const Fixture& file) {
  typename Layer::Options options{.input = file.number("input"),
                                  .hidden = file.number("hidden"),
                                  .layers = file.number("layers"),
                                  .bidirectional = file.flag("bidirectional"),
                                  .biases = file.number("biases")};
  Layer layer(options);
  layer.to(f64);
  const Flat flat(layer);
  flat.assign(file["weights"]);
  const std::vector<Index> lengths = file.numbers("lengths");
  const auto outputs_of = [&](const Tensor& x) { return layer(x, {.lengths = lengths}).outputs; };
  const auto last_of = [&](const Tensor& x) {
    return layer(x, {.lengths = lengths}).state.forward.back().h;
  };
  const auto loss_of = [&](const Tensor& x) { return sum(file["w"] * square(outputs_of(x))); };
  const Tensor& x = file["x"];
  const auto outputs = [&] { return outputs_of(x); };
  const auto last = [&] { return last_of(x); };
  const auto loss = [&] { return loss_of(x); };
  const Gradients v = flat.direction(file["v"]);
  const Shape lead = file["last"].shape();

  const auto pulled = vjp(layer, outputs, file["u"]);
  check(pulled.value, file["y"], "value");
  check(flat.joined(pulled.product), file["vjp"], "vjp");
  check(vjp(outputs_of, x, file["u"]).product, file["vjp_x"], "vjp by x");
  const auto pushed = jvp(layer, outputs, v);
  check(pushed.value, file["y"], "value of jvp");
  check(pushed.product, file["jvp"], "jvp");
  check(jvp(outputs_of, x, file["v_x"]).product, file["jvp_x"], "jvp by x");
  for (const auto by : {JacobianBy::rows, JacobianBy::columns}) {
    check(flat.joined(jacobian(layer, last, {.by = by}), lead), file["jacobian"], "jacobian");
    check(jacobian(last_of, x, {.by = by}), file["jacobian_x"], "jacobian by x");
  }
  const Tensor product = flat.joined(hvp(layer, loss, v));
  check(product, file["hvp"], "hvp");
  check(hvp(loss_of, x, file["v_x"]), file["hvp_x"], "hvp by x");
  if (file.contains("hessian")) {
    const Tensor H = hessian(layer, loss);
    check(H, file["hessian"], "hessian");
    check(matmul(H, file["v"]), product, "hessian times v");
  }

  const auto samples = per_sample_gradients(
      layer,
      [&](const Padded& sample) {
        return sum(sample.w * square(layer(sample.x, {.lengths = sample.lengths}).outputs));
      },
      Padded{.x = x, .w = file["w"], .lengths = lengths});
  check(flat.joined(samples, {x.size(1)}), file["per_sample"], "gradients of samples");
  check(sum(flat.joined(samples, {x.size(1)}), 0), flat.joined(gradient(layer, loss)), "their sum");
}

std::vector<Fixture> cases_of(const std::string& kind) {
  const FixtureFile file = read_fixture("derivatives_recurrent.safetensors");
  std::map<Index, Fixture> cases;
  for (const auto& [name, tensor] : file.tensors)
    cases[std::stoll(name)].tensors[name.substr(name.find('/') + 1)] = tensor;
  std::vector<Fixture> chosen;
  for (auto& [number, fixture] : cases) {
    std::istringstream words(file.metadata.at(std::to_string(number)));
    for (std::string word; words >> word;) {
      const std::size_t equals = word.find('=');
      fixture.words[word.substr(0, equals)] = word.substr(equals + 1);
    }
    if (fixture.word("kind") == kind) chosen.push_back(std::move(fixture));
  }
  BOOST_TEST(chosen.size() == 7U);
  return chosen;
}

template <class Layer>
void check_all(const std::string& kind) {
  int number = 0;
  for (const Fixture& fixture : cases_of(kind))
    BOOST_TEST_CONTEXT(kind << " " << number++) check_case<Layer>(fixture);
}

}  // namespace

BOOST_AUTO_TEST_SUITE(derivatives_torch)

BOOST_AUTO_TEST_CASE(rnn) { check_all<nn::RNN>("rnn"); }
BOOST_AUTO_TEST_CASE(lstm) { check_all<nn::LSTM>("lstm"); }
BOOST_AUTO_TEST_CASE(gru) { check_all<nn::GRU>("gru"); }
BOOST_AUTO_TEST_CASE(reset_first_gru) {
  check_all<nn::Recurrent<nn::ResetFirstGRUCell>>("reset_first");
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace unroll::test
