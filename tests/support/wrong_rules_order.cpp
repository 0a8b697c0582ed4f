#include "support/base_rules.h"
#include "support/wrong_rules.h"

namespace unroll::test {
namespace {

using Out = std::vector<Tensor>;
constexpr ReduceOptions keep{.keepdim = true};

Tensor t(const Tensor& x) { return transpose(x, 0, 1); }

}  // namespace

RuleCases wrong_in_second_order() {
  RuleCases all;
  // First derivatives are right; what they are made of was cut off.
  const auto cut = [&all](const BaseRule& b, const char* what, GradcheckCause cause, Rule rule) {
    RuleCase c = wrong_case("wrong in second order", b, 0, std::move(rule), cause);
    c.name = b.name + ", " + what;
    c.shows = Shows::second_order;
    c.input = -1;
    all.push_back(c);
  };
  constexpr auto missing = GradcheckCause::missing;
  constexpr auto wrong = GradcheckCause::wrong_derivative;
  cut(base::tanh(), "y detached", missing, [](const Given& d) -> Out {
    const Tensor y = detach(d.y());
    return {d.dy() * (1.0 - y * y)};
  });
  cut(base::tanh(), "one y detached", wrong,
      [](const Given& d) -> Out { return {d.dy() * (1.0 - detach(d.y()) * d.y())}; });
  cut(base::sigmoid(), "one y detached", wrong,
      [](const Given& d) -> Out { return {d.dy() * d.y() * (1.0 - detach(d.y()))}; });
  cut(base::exp(), "y detached", missing,
      [](const Given& d) -> Out { return {d.dy() * detach(d.y())}; });
  cut(base::cube(), "one x detached", wrong,
      [](const Given& d) -> Out { return {d.dy() * 3.0 * d.x() * detach(d.x())}; });
  cut(base::log(), "x detached", missing,
      [](const Given& d) -> Out { return {d.dy() / detach(d.x())}; });
  cut(base::mul(), "operand detached", missing, [](const Given& d) -> Out {
    return {d.dy() * detach(d.x(1)), d.dy() * d.x(0)};
  });
  cut(base::div(), "quotient detached", missing, [](const Given& d) -> Out {
    return {d.dy() / d.x(1), -d.dy() * detach(d.y()) / d.x(1)};
  });
  cut(base::matmul(), "W detached", missing, [](const Given& d) -> Out {
    return {unroll::matmul(d.dy(), t(detach(d.x(1)))), unroll::matmul(t(d.x(0)), d.dy())};
  });
  cut(base::softmax(), "y in the sum detached", wrong, [](const Given& d) -> Out {
    return {d.y() * (d.dy() - sum(d.dy() * detach(d.y()), -1, keep))};
  });
  cut(base::logsumexp(), "softmax detached", missing,
      [](const Given& d) -> Out { return {unsqueeze(d.dy(), -1) * softmax(detach(d.x()))}; });
  cut(base::norm(), "y detached", wrong,
      [](const Given& d) -> Out { return {unsqueeze(d.dy() / detach(d.y()), -1) * d.x()}; });
  cut(base::tanh(), "scaled in second order only", wrong, [](const Given& d) -> Out {
    const Tensor y = d.y();
    return {d.dy() * (1.0 - y * y + 1e-3 * (y - detach(y)))};
  });
  cut(base::lstm_step(), "c detached", wrong, [right = base::lstm_step().rule](const Given& d) {
    Out g = right(d);
    const Tensor c = g[2];
    g[2] = c + (detach(c) - c) * 0.5;
    return g;
  });
  const BaseRule sum = base::sum();
  const MadeOperation unlinked(
      sum.value, [](const Given& d) -> Out { return {expand(detach(d.dy()), d.x().shape())}; });
  RuleCase upstream = wrong_case("wrong in second order", sum, 0, sum.rule, missing);
  upstream.call = [unlinked](std::span<const Tensor> in) { return exp(0.3 * unlinked(in)); };
  upstream.name += ", upstream detached";
  upstream.shows = Shows::second_order;
  upstream.input = -1;
  all.push_back(upstream);
  return all;
}

RuleCases wrong_in_time() {
  using base::InTime;
  RuleCases all;
  const auto in_time = [&all](const char* kind, InTime mistake, Index input,
                              std::vector<Index> lengths = {}) {
    const BaseRule b = base::recurrent(mistake, std::move(lengths));
    all.push_back(wrong_case(kind, b, input, b.rule));
  };
  in_time("off by one in time", InTime::off_by_one, 1);
  in_time("off by one in time", InTime::off_by_one, 1, {3, 2});
  in_time("off by one in time", InTime::stale_state, 2);
  in_time("nothing flows back in time", InTime::truncated, -1);
  in_time("mask not applied in padded steps", InTime::mask_ignored, -1, {3, 1});
  in_time("mask not applied in padded steps", InTime::mask_ignored, -1, {1, 2});
  in_time("gradient leaks through padding", InTime::padding_leaks, 0, {3, 1});
  in_time("gradient leaks through padding", InTime::padding_leaks, 0, {2, 2});

  const auto changed = [&all](const char* kind, const BaseRule& b, Index input, const char* what,
                              const Alteration& alteration) {
    RuleCase c = wrong_case(kind, b, input, altered(b.rule, input, alteration));
    c.name += std::string(", ") + what;
    all.push_back(c);
  };
  changed("off by one in time", base::difference(), 0, "one step late",
          [](const Tensor& g, const Given&) { return roll(g, 1, 0); });
  changed("off by one in time", base::cumsum(), 0, "without the step itself",
          [](const Tensor& g, const Given& d) { return g - d.dy(); });

  const auto swapped = [](Index a, Index b, std::size_t gates) {
    return [a, b, gates](const Tensor& g, const Given&) {
      std::vector<Tensor> parts = chunk(g, static_cast<Index>(gates), -1);
      std::swap(parts[static_cast<std::size_t>(a)], parts[static_cast<std::size_t>(b)]);
      return concat(parts, -1);
    };
  };
  changed("gate gradients swapped", base::lstm_step(), 0, "i and f", swapped(0, 1, 4));
  changed("gate gradients swapped", base::lstm_step(), 0, "g and o", swapped(2, 3, 4));
  changed("gate gradients swapped", base::gru_step(), 0, "r and z", swapped(0, 1, 3));
  const auto dropped = [](Index from, Index to) {
    return [from, to](const Tensor& g, const Given&) {
      const Index width = g.size(-1);
      const Tensor kept = concat(
          {ones({from}, g.dtype()), zeros({to - from}, g.dtype()), ones({width - to}, g.dtype())},
          0);
      return g * kept;
    };
  };
  changed("path of the forget gate dropped", base::lstm_step(), 1, "bias", dropped(2, 4));
  all.back().causes = {GradcheckCause::missing};
  changed("path of the forget gate dropped", base::lstm_step(), 0, "gate", dropped(2, 4));
  all.back().causes = {GradcheckCause::missing};
  changed("path of the forget gate dropped", base::lstm_step(), 2, "c passes undiminished",
          [](const Tensor& g, const Given& d) {
            return g / sigmoid(split<4>(d.x(0) + d.x(1), -1)[1]);
          });
  changed("path of the forget gate dropped", base::gru_step(), 2, "state passes undiminished",
          [](const Tensor&, const Given& d) { return d.dy() * 1.0; });

  // Masked positions of a softmax and of a fill.
  const Tensor mask = tensor({{1.0, 1.0, 0.0}, {1.0, 0.0, 1.0}});
  const auto as = [mask](const Tensor& like) { return mask.to(like.dtype()); };
  const BaseRule filled{.name = "masked fill",
                        .inputs = {{{2, 3}}},
                        .value =
                            [as](std::span<const Tensor> in) {
                              return tanh(in[0]) * as(in[0]) - 2.0 * (1.0 - as(in[0]));
                            },
                        .rule = [as](const Given& d) -> Out {
                          const Tensor y = tanh(d.x());
                          return {d.dy() * (1.0 - y * y) * as(y)};
                        }};
  changed("gradient leaks through padding", filled, 0, "to what was filled",
          [](const Tensor&, const Given& d) {
            const Tensor y = tanh(d.x());
            return d.dy() * (1.0 - y * y);
          });
  const BaseRule attended{
      .name = "masked softmax",
      .inputs = {{{2, 3}}},
      .value = [as](std::span<const Tensor> in) { return softmax(in[0], -1, {.mask = as(in[0])}); },
      .rule = [](const Given& d) -> Out {
        return {d.y() * (d.dy() - sum(d.dy() * d.y(), -1, keep))};
      }};
  changed("mask not applied in padded steps", attended, 0, "gradient of the plain softmax",
          [](const Tensor&, const Given& d) {
            const Tensor y = softmax(d.x());
            return y * (d.dy() - sum(d.dy() * y, -1, keep));
          });
  return all;
}

}  // namespace unroll::test
