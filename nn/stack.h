#pragma once

#include <unroll/nn/cell.h>
#include <unroll/nn/recurrent_support.h>

#include <memory>
#include <tuple>

namespace unroll::nn {

// Unlike cells on top of one another, as one cell: each gets the output of the one below at the
// same step. Its state is a tuple of theirs, its output that of the last; parameters are named
// "0.Wx", "1.Wx".
//   nn::Recurrent<nn::Stack<nn::GRUCell, MultiplicativeCell>> layer({.input = 64, .hidden = 128});
template <Cell... Cells>
class Stack : public Module {
 public:
  struct Options {
    Index input = 0;
    Index hidden = 0;  // of all of them
    std::tuple<typename Cells::Options...> cell = {};
  };
  using State = std::tuple<typename Cells::State...>;
  using Begun = std::tuple<detail::Begun<Cells>...>;
  static constexpr bool projects_each_step =
      nn::projects_each_step<std::tuple_element_t<0, std::tuple<Cells...>>>;

  explicit Stack(Options o) : options(std::move(o)) {
    Index input = options.input;
    each([&]<std::size_t I>(std::integral_constant<std::size_t, I>) {
      auto of_cell = std::get<I>(options.cell);
      detail::set_size("stack", "input", of_cell.input, input);
      detail::set_size("stack", "hidden", of_cell.hidden, options.hidden);
      auto& cell = std::get<I>(cells_);
      cell.emplace(*this, std::to_string(I), std::move(of_cell));
      input = nn::output_size(plain(cell));
    });
  }

  Begun begin(Index batch) const {
    return std::apply(
        [&](const auto&... c) { return Begun{detail::begin_cell(plain(c), batch)...}; }, cells_);
  }

  Tensor project(const Tensor& x, const Begun& w) const {
    const Scope here(*std::get<0>(cells_));
    return nn::project(plain(std::get<0>(cells_)), x, std::get<0>(w));
  }

  State step(const Tensor& x, const State& s, const Begun& w) const {
    State next = s;
    Tensor input = x;
    each([&]<std::size_t I>(std::integral_constant<std::size_t, I>) {
      const auto& cell = plain(std::get<I>(cells_));
      const Scope here(cell);
      if constexpr (I == 0)
        std::get<I>(next) = nn::step(cell, input, std::get<I>(s), std::get<I>(w));
      else
        std::get<I>(next) = detail::step_from_input(cell, input, std::get<I>(s), std::get<I>(w));
      std::get<I>(next) = detail::after_forward(cell, std::move(std::get<I>(next)));
      input = nn::output(cell, std::get<I>(next));
    });
    return next;
  }

  State initial_state(Index batch) const {
    return std::apply(
        [&](const auto&... c) { return State{nn::initial_state(plain(c), batch)...}; }, cells_);
  }
  Tensor output(const State& s) const {
    return nn::output(plain(std::get<last>(cells_)), std::get<last>(s));
  }
  Index output_size() const { return nn::output_size(plain(std::get<last>(cells_))); }
  State operator()(const Tensor& x, const State& s) const { return apply(*this, x, s); }

  template <std::size_t I>
  const auto& cell() const {
    return plain(std::get<I>(cells_));
  }

  const Options options;

 private:
  static constexpr std::size_t last = sizeof...(Cells) - 1;

  template <class C>
  static const C& plain(const std::optional<Child<C>>& cell) {
    return *cell;
  }
  template <class F>
  static void each(const F& f) {
    [&]<std::size_t... I>(std::index_sequence<I...>) {
      (f(std::integral_constant<std::size_t, I>()), ...);
    }
    (std::index_sequence_for<Cells...>());
  }

  std::tuple<std::optional<Child<Cells>>...> cells_;
};

}  // namespace unroll::nn
