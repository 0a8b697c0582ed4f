// Hooks on what modules return, and what hooks are for: clipping, logging, freezing, statistics.
#include <atomic>
#include <map>
#include <string>
#include <thread>

#include <boost/test/unit_test.hpp>

namespace unroll::test {
namespace {

struct Net : nn::Module {
  nn::Child<nn::Linear> below{*this, "below", {.input = 3, .output = 4}};
  nn::Child<nn::Linear> above{*this, "above", {.input = 4, .output = 2}};

  Tensor operator()(const Tensor& x) const {
    const nn::Scope here(*this);
    return after_forward(above(tanh(below(x))));
  }
};

Tensor input(const Shape& shape) {
  Rng rng(11);
  return uniform(shape, -1, 1, rng);
}

// How often a module's hooks run in one call of it.
template <class M, class Call>
int calls_of(M& module, const Call& call) {
  int calls = 0;
  const HookHandle hook = module.on_forward([&](const nn::Module& m, const Tensor& y) {
    BOOST_TEST(&m == &module);
    BOOST_TEST(y.defined());
    ++calls;
  });
  static_cast<void>(call());
  return calls;
}

}  // namespace

BOOST_AUTO_TEST_SUITE(hooks)

BOOST_AUTO_TEST_CASE(all_layers_call_them_once) {
  const Tensor x = input({5, 2, 3});
  nn::Linear linear({.input = 3, .output = 2});
  BOOST_TEST(calls_of(linear, [&] { return linear(x); }) == 1);
  nn::Dropout dropout({.rate = 0.5});
  BOOST_TEST(calls_of(dropout, [&] { return dropout(x); }) == 1);
  nn::Conv1d conv({.input = 3, .output = 2, .kernel = 2});
  BOOST_TEST(calls_of(conv, [&] { return conv(x); }) == 1);
  nn::LayerNorm layer_norm({.size = 3});
  BOOST_TEST(calls_of(layer_norm, [&] { return layer_norm(x); }) == 1);
  nn::RMSNorm rms_norm({.size = 3});
  BOOST_TEST(calls_of(rms_norm, [&] { return rms_norm(x); }) == 1);
  nn::Embedding embed({.count = 4, .size = 3});
  BOOST_TEST(calls_of(embed, [&] { return embed(tensor({1, 3})); }) == 1);
  nn::TiedLinear tied({.W = &embed.W});
  BOOST_TEST(calls_of(tied, [&] { return tied(x); }) == 1);
  nn::Sequential sequence;
  sequence.add<nn::Linear>({.input = 3, .output = 2});
  BOOST_TEST(calls_of(sequence, [&] { return sequence(x); }) == 1);
  nn::GRU gru({.input = 3, .hidden = 4, .layers = 2, .bidirectional = true});
  BOOST_TEST(calls_of(gru, [&] { return gru(x); }) == 1);
  nn::LSTMCell cell({.input = 3, .hidden = 4});
  const Tensor x0 = select(x, 0, 0);
  BOOST_TEST(calls_of(cell, [&] { return cell(x0, nn::initial_state(cell, 2)); }) == 1);
  Net net;
  BOOST_TEST(calls_of(net, [&] { return net(x); }) == 1);
}

BOOST_AUTO_TEST_CASE(looking_changes_no_bit_and_replacing_does) {
  Net net;
  const Tensor x = input({2, 3});
  const Tensor before = net(x);
  HookHandle look = net.below.on_forward([](const nn::Module&, const Tensor&) {});
  BOOST_TEST(all_equal(net(x), before).ok());
  HookHandle replace =
      net.below.on_forward([](const nn::Module&, const Tensor& y) { return zeros_like(y); });
  BOOST_TEST(all_equal(net(x), net.above(zeros({2, 4}))).ok());
  replace.remove();
  BOOST_TEST(all_equal(net(x), before).ok());
}

BOOST_AUTO_TEST_CASE(several_in_order_and_recorded) {
  Net net;
  const Tensor x = input({2, 3});
  const Tensor plain = net(x);
  HookHandle first = net.on_forward([](const nn::Module&, const Tensor& y) { return y + 1.0; });
  HookHandle second = net.on_forward(
      [](const nn::Module&, std::span<Tensor> outputs) { outputs[0] = 10.0 * outputs[0]; });
  HookHandle third = net.on_forward([](const nn::Module&, const Tensor&) { return Tensor(); });
  Tape tape;
  const Tensor y = net(x);
  BOOST_TEST(all_close(y, 10.0 * (plain + 1.0), {.relative = 1e-6}).ok());
  const auto grads = tape.backward(sum(y));
  BOOST_TEST(all_close(grads[*net.above.b], full({2}, 20), {.relative = 1e-6}).ok());
}

// The place is that of the module; the outputs of a layer are its sequence and its state, those of
// a cell its state, at each step.
BOOST_AUTO_TEST_CASE(layers_and_their_cells) {
  nn::LSTM lstm({.input = 3, .hidden = 4, .bidirectional = true});
  const Tensor x = input({5, 2, 3});
  std::vector<Shape> shapes;
  HookHandle of_layer = lstm.on_forward([&](const nn::Module&, std::span<Tensor> outputs) {
    for (const Tensor& y : outputs) shapes.push_back(y.shape());
  });
  std::vector<Tensor> h;
  std::vector<Index> steps;
  HookHandle of_cell = lstm.cell(0).on_forward([&](const nn::Module& m, std::span<Tensor> state) {
    BOOST_TEST(state.size() == 2);
    h.push_back(state[0]);
    steps.push_back(current_place().step);
    BOOST_TEST(current_place().path == m.path());
    BOOST_TEST(m.path() == "0.forward");
  });
  const auto out = lstm(x);
  const Shape state{2, 4};
  BOOST_TEST((shapes == std::vector<Shape>{{5, 2, 8}, state, state, state, state}));
  BOOST_TEST((steps == std::vector<Index>{0, 1, 2, 3, 4}));
  for (Index t = 0; t < 5; ++t)
    BOOST_TEST(
        all_equal(select(split<2>(out.outputs, -1)[0], 0, t), h[static_cast<std::size_t>(t)]).ok());
}

BOOST_AUTO_TEST_CASE(cell_hook_replaces_the_state_of_each_step) {
  nn::LSTM lstm({.input = 3, .hidden = 4});
  const Tensor x = input({3, 2, 3});
  HookHandle hook = lstm.cell(0).on_forward([](const nn::Module&, std::span<Tensor> state) {
    for (Tensor& s : state) s = zeros_like(s);
  });
  const auto out = lstm(x);
  BOOST_TEST(all_equal(out.outputs, zeros({3, 2, 4})).ok());
  BOOST_TEST(all_equal(out.state.forward[0].c, zeros({2, 4})).ok());
}

BOOST_AUTO_TEST_CASE(cells_of_a_stack) {
  nn::Recurrent<nn::Stack<nn::GRUCell, nn::LSTMCell>> layer({.input = 3, .hidden = 4});
  int of_stack = 0, of_lstm = 0;
  HookHandle a = layer.cell(0).on_forward([&](const nn::Module&, std::span<Tensor> state) {
    BOOST_TEST(state.size() == 3);
    ++of_stack;
  });
  auto& inner = *layer.cell(0).children()[1];
  HookHandle b = inner.on_forward([&](const nn::Module&, std::span<Tensor> state) {
    BOOST_TEST(state.size() == 2);
    ++of_lstm;
  });
  static_cast<void>(layer(input({5, 2, 3})));
  BOOST_TEST(of_stack == 5);
  BOOST_TEST(of_lstm == 5);
}

BOOST_AUTO_TEST_CASE(hooks_outlive_changes_of_dtype_and_handles_outlive_models) {
  HookHandle of_output, of_gradient;
  int outputs = 0, gradients = 0;
  {
    nn::Linear linear({.input = 3, .output = 2});
    of_output = linear.on_forward([&](const nn::Module&, const Tensor&) { ++outputs; });
    of_gradient = linear.W.on_gradient([&](const Tensor& g) {
      BOOST_TEST((g.dtype() == f64));
      ++gradients;
    });
    linear.to(f64);
    Tape tape;
    static_cast<void>(tape.backward(sum(linear(input({2, 3}).to(f64)))));
  }
  BOOST_TEST(outputs == 1);
  BOOST_TEST(gradients == 1);
  of_output.remove();
  of_gradient.remove();
}

BOOST_AUTO_TEST_CASE(many_threads_call_one_model) {
  Net net;
  const Tensor x = input({2, 3});
  std::atomic<int> calls = 0;
  HookHandle hook = net.below.on_forward([&](const nn::Module&, const Tensor&) { ++calls; });
  HookHandle of_W = net.below.W.on_gradient([&](const Tensor&) { ++calls; });
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i)
    threads.emplace_back([&] {
      for (int k = 0; k < 50; ++k) {
        Tape tape;
        static_cast<void>(tape.backward(sum(net(x))));
      }
    });
  for (std::thread& t : threads) t.join();
  BOOST_TEST(calls == 400);
}

BOOST_AUTO_TEST_CASE(replacements_that_do_not_fit) {
  Net net;
  const Tensor x = input({2, 3});
  const auto text = [&](const nn::ForwardHook& hook) {
    const HookHandle handle = net.below.on_forward(hook);
    std::string said;
    try {
      static_cast<void>(net(x));
    } catch (const Error& e) {
      said = e.what();
    }
    return said;
  };
  const std::string start =
      "[on_forward] at below: a hook on Linear replaced output 0 f32 [2, 4] by ";
  const std::string rest =
      "; needed the same shape and dtype; hint: a hook that only looks changes nothing";
  BOOST_TEST(text([](const nn::Module&, const Tensor&) {
               return zeros({2, 3});
             }) == start + "f32 [2, 3]" + rest);
  BOOST_TEST(text([](const nn::Module&, const Tensor& y) { return y.to(f64); }) ==
             start + "f64 [2, 4]" + rest);
  BOOST_TEST(text([](const nn::Module&, std::span<Tensor> y) { y[0] = Tensor(); }) ==
             start + "undefined" + rest);
}

BOOST_AUTO_TEST_CASE(tapes_inside_a_hook_are_their_own_matter) {
  Net net;
  HookHandle hook =
      net.below.on_forward([](const nn::Module&, const Tensor&) { const Tape inner; });
  Tape tape;
  {
    const detail::WithoutTape off;
    static_cast<void>(net(input({2, 3})));
  }
  BOOST_TEST(tape.nodes() == 0);
}

BOOST_AUTO_TEST_CASE(clipping_at_a_tensor) {
  Net net;
  const Tensor x = input({6, 3});
  const auto gradient = [&](double most) {
    Tape tape;
    const Tensor h = net.below(x);
    tape.on_gradient(h, [&](const Tensor& g) { return g * std::min(1.0, most / norm(g).item()); });
    const auto grads = tape.backward(100.0 * sum(square(net.above(tanh(h)))));
    return grads[*net.below.b];
  };
  // The gradient of the bias is linear in that of h.
  const Tensor free = gradient(1e30), clipped = gradient(0.5);
  Tape tape;
  const Tensor h = net.below(x);
  const Tensor g = tape.gradient(100.0 * sum(square(net.above(tanh(h)))), h);
  const double of_h = norm(g).item();
  BOOST_TEST(of_h > 1.0);
  BOOST_TEST(all_close(clipped, free * (0.5 / of_h), {.relative = 1e-4}).ok());
}

// Norms of d loss / d h_t, from a hook on the cell that hooks the state of each step.
BOOST_AUTO_TEST_CASE(logging_norms_per_time_step) {
  nn::LSTM lstm({.input = 3, .hidden = 4});
  lstm.to(f64);
  const Tensor x = input({6, 2, 3}).to(f64);
  std::map<Index, double> norms;
  std::vector<Tensor> states;
  HookHandle hook = lstm.cell(0).on_forward([&](const nn::Module&, std::span<Tensor> state) {
    const Index t = current_place().step;
    states.push_back(state[0]);
    on_gradient(state[0], [&norms, t](const Tensor& g) { norms[t] = norm(g).item(); });
  });
  Tape tape;
  const auto out = lstm(x);
  const Tensor loss = sum(square(out.outputs));
  static_cast<void>(tape.backward(loss, {.retain = true}));
  BOOST_REQUIRE(norms.size() == 6);
  const auto found = norms;
  for (Index t = 0; t < 6; ++t) {
    const Tensor g = tape.gradient(loss, states[static_cast<std::size_t>(t)]);
    BOOST_TEST(found.at(t) == norm(g).item(), boost::test_tools::tolerance(1e-12));
  }
}

// Steps that are computed once more call the hooks of the cell once more, and log no other norms.
BOOST_AUTO_TEST_CASE(logging_under_recomputation) {
  Index calls = 0, first = 0;
  const auto norms_of = [&](Index every) {
    seed(4);
    nn::LSTM lstm({.input = 3, .hidden = 4, .recompute_every = every});
    std::map<Index, double> norms;
    HookHandle hook = lstm.cell(0).on_forward([&](const nn::Module&, std::span<Tensor> state) {
      ++calls;
      if (!is_recomputing()) ++first;
      on_gradient(state[0], [&norms, t = current_place().step](const Tensor& g) {
        BOOST_TEST(!norms.contains(t));
        norms[t] = norm(g).item();
      });
    });
    Tape tape;
    static_cast<void>(tape.backward(sum(square(lstm(input({6, 2, 3})).outputs))));
    return norms;
  };
  const auto plain = norms_of(0);
  BOOST_TEST(calls == 6);
  const auto again = norms_of(2);
  BOOST_TEST(calls == 18);
  BOOST_TEST(first == 12);
  BOOST_TEST((plain == again));
}

// So a hook that replaces what a cell returns does so for the gradient, too.
BOOST_AUTO_TEST_CASE(replacing_under_recomputation) {
  const auto gradients_of = [&](Index every) {
    seed(4);
    nn::LSTM lstm({.input = 3, .hidden = 4, .recompute_every = every});
    const HookHandle hook = lstm.cell(0).on_forward([](const nn::Module&, std::span<Tensor> state) {
      state[1] = clamp(state[1], {.low = -0.1, .high = 0.1});
    });
    Tape tape;
    const auto grads = tape.backward(sum(square(lstm(input({6, 2, 3})).outputs)));
    return std::vector<Tensor>{grads[lstm.cell(0).Wx], grads[lstm.cell(0).Wh]};
  };
  const auto plain = gradients_of(0);
  const auto again = gradients_of(2);
  for (std::size_t i = 0; i < plain.size(); ++i) BOOST_TEST(all_equal(again[i], plain[i]).ok());
  BOOST_TEST(!is_recomputing());
}

BOOST_AUTO_TEST_CASE(freezing_some_rows_of_a_weight) {
  Net net;
  optim::Adam adam(net.parameters(), {.lr = 0.1});
  const Tensor before = net.below.W * 1.0;
  const Tensor mask = tensor({{1.0}, {0.0}, {1.0}});
  HookHandle frozen = net.below.W.on_gradient([mask](const Tensor& g) { return g * mask; });
  const Tensor x = input({6, 3});
  for (int step = 0; step < 3; ++step) {
    Tape tape;
    adam.step(tape.backward(mean(square(net(x)))));
  }
  const auto row = [](const Tensor& W, Index i) { return select(W, 0, i); };
  BOOST_TEST(all_equal(row(net.below.W, 1), row(before, 1)).ok());
  BOOST_TEST(!all_equal(row(net.below.W, 0), row(before, 0)).ok());
  BOOST_TEST(!all_equal(row(net.below.W, 2), row(before, 2)).ok());
}

BOOST_AUTO_TEST_CASE(statistics_of_activations) {
  Net net;
  const Tensor x = input({6, 3});
  std::map<std::string, double> mean_of;
  std::vector<HookHandle> hooks;
  for (nn::Module* m : net.children())
    hooks.push_back(m->on_forward([&](const nn::Module& module, const Tensor& y) {
      mean_of[module.path()] = mean(y).item();
    }));
  const Tensor y = net(x);
  BOOST_TEST(mean_of.size() == 2);
  BOOST_TEST(mean_of.at("above") == mean(y).item());
  hooks.clear();
  const Tensor h = net.below(x);
  BOOST_TEST(mean_of.at("below") == mean(h).item());
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace unroll::test
