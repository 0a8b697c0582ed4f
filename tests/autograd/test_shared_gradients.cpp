// Gradients that share memory while they are made: addends, regions of a root, products that wait.
#include <boost/test/unit_test.hpp>

#include "support/numeric.h"

namespace unroll::test {
namespace {

// A graph in f64 of matrices of the given shapes: its gradients in place are those by differences
// and those that are recorded.
void check_graph(const std::vector<Shape>& shapes, const Function& graph) {
  Rng rng(99);
  std::vector<Tensor> leaves;
  for (const Shape& shape : shapes) leaves.push_back(uniform(shape, -1, 1, rng, f64));
  for (const bool differentiable : {false, true}) {
    Tape tape;
    std::vector<Tensor> x;
    for (const Tensor& leaf : leaves) x.push_back(tape.watch(leaf));
    const auto g = tape.gradient(graph(x), x,
                                 {.differentiable = differentiable, .unreached = Unreached::zero});
    for (std::size_t i = 0; i < x.size(); ++i) {
      const Tensor expected = numeric_gradient(graph, leaves, i, full({}, 1, f64), 0.008).gradient;
      BOOST_TEST_CONTEXT((differentiable ? "recorded" : "in place") << ", leaf " << i)
      BOOST_TEST(disagreement(g[i], expected, {.relative = 1e-8}) == "");
    }
  }
}

// Not the same for every element, nor linear, so that no two wrongs cancel.
Tensor read(const Tensor& y, double phase) {
  Rng rng(static_cast<std::uint64_t>(phase * 1000));
  return sum(square(y + phase) * random_weights(y.shape(), rng));
}

Tensor rows(const Tensor& x, Index from, Index to) {
  return slice(x, {.axis = 0, .from = from, .to = to});
}

}  // namespace

BOOST_AUTO_TEST_SUITE(shared_gradients)

// y = x·W + a region of P shares its gradient with the region; here P is read between y and what
// reads y.
BOOST_AUTO_TEST_CASE(root_read_while_an_addend_shares_its_region) {
  check_graph({{4, 3}, {2, 3}, {3, 3}}, [](std::span<const Tensor> in) {
    const Tensor P = tanh(in[0]);
    const Tensor y = affine(in[1], in[2], rows(P, 1, 3));
    const Tensor other = read(P, 0.3);
    return read(y, 0.7) + other;
  });
}

BOOST_AUTO_TEST_CASE(overlapping_region_written_while_an_addend_shares_one) {
  check_graph({{4, 3}, {2, 3}, {3, 3}}, [](std::span<const Tensor> in) {
    const Tensor P = tanh(in[0]);
    const Tensor y = affine(in[1], in[2], rows(P, 1, 3));
    const Tensor other = read(rows(P, 2, 4), 0.3);
    return read(y, 0.7) + other;
  });
}

BOOST_AUTO_TEST_CASE(overlapping_region_under_a_chain_of_addends) {
  check_graph({{4, 3}, {2, 3}, {3, 3}}, [](std::span<const Tensor> in) {
    const Tensor P = tanh(in[0]);
    const Tensor y = affine(in[1], in[2], rows(P, 1, 3));
    const Tensor z = affine(in[1] * 2.0, in[2], y);
    const Tensor other = read(rows(P, 0, 2), 0.3);
    return read(z, 0.7) + other;
  });
}

// Only a part of y is read, by views, when the region under it is written.
BOOST_AUTO_TEST_CASE(partly_covered_sum_over_a_shared_region) {
  check_graph({{4, 3}, {2, 3}, {3, 3}}, [](std::span<const Tensor> in) {
    const Tensor P = tanh(in[0]);
    const Tensor y = affine(in[1], in[2], rows(P, 1, 3));
    const Tensor other = read(P, 0.3);
    return read(rows(y, 1, 2), 0.7) + other;
  });
}

BOOST_AUTO_TEST_CASE(addend_and_input_are_the_same_region) {
  check_graph({{4, 3}, {3, 3}}, [](std::span<const Tensor> in) {
    const Tensor P = tanh(in[0]);
    return read(affine(rows(P, 0, 3), in[1], rows(P, 0, 3)), 0.7);
  });
}

BOOST_AUTO_TEST_CASE(addend_and_input_overlap) {
  check_graph({{4, 3}, {3, 3}}, [](std::span<const Tensor> in) {
    const Tensor P = tanh(in[0]);
    return read(affine(rows(P, 1, 4), in[1], rows(P, 0, 3)), 0.7);
  });
}

BOOST_AUTO_TEST_CASE(addend_and_weight_overlap) {
  check_graph({{4, 3}, {3, 3}}, [](std::span<const Tensor> in) {
    const Tensor P = tanh(in[0]);
    return read(affine(in[1], rows(P, 1, 4), rows(P, 0, 3)), 0.7);
  });
}

BOOST_AUTO_TEST_CASE(addend_and_weight_overlap_and_the_weight_is_used_often) {
  check_graph({{6, 3}, {2, 3}}, [](std::span<const Tensor> in) {
    const Tensor P = tanh(in[0]);
    const Tensor W = rows(P, 1, 4);
    const Tensor h = affine(in[1], W, rows(P, 0, 2));
    const Tensor h2 = affine(tanh(h), W, rows(P, 3, 5));
    return read(affine(tanh(h2), W, rows(P, 4, 6)), 0.7);
  });
}

// A product that waits is taken while the gradient it adds to is claimed, but not yet written.
BOOST_AUTO_TEST_CASE(waiting_product_flushed_before_its_gradient_is_written) {
  for (const bool weight_first : {false, true})
    check_graph({{3, 4}, {4, 4}, {1, 4}}, [weight_first](std::span<const Tensor> in) {
      const Tensor P = tanh(in[0]);
      const Tensor W = tanh(in[1]);
      const Tensor W3 = rows(W, 0, 3);
      const Tensor early = read(weight_first ? W3 * P : P * W3, 0.2);
      Tensor h = in[2];
      for (Index t = 0; t < 3; ++t) h = tanh(affine(h, W, rows(P, t, t + 1)));
      return read(h, 0.7) + early;
    });
}

BOOST_AUTO_TEST_CASE(waiting_product_of_a_whole_weight) {
  check_graph({{4, 4}, {4, 4}, {1, 4}}, [](std::span<const Tensor> in) {
    const Tensor P = tanh(in[0]);
    const Tensor W = tanh(in[1]);
    const Tensor early = read(W * P, 0.2);
    Tensor h = in[2];
    for (Index t = 0; t < 4; ++t) h = tanh(affine(h, W, rows(P, t, t + 1)));
    return read(h, 0.7) + early;
  });
}

// The projection is used once more before the loop, so its gradient is added to after products read
// it.
BOOST_AUTO_TEST_CASE(gradient_added_to_after_a_waiting_product_read_it) {
  check_graph({{4, 2}, {2, 3}, {3, 3}, {1, 3}}, [](std::span<const Tensor> in) {
    const Tensor P = matmul(in[0], in[1]);
    const Tensor early = read(P, 0.2);
    Tensor h = in[3];
    for (Index t = 0; t < 4; ++t) h = tanh(affine(h, in[2], rows(P, t, t + 1)));
    return read(h, 0.7) + early;
  });
}

BOOST_AUTO_TEST_CASE(weights_that_are_views_or_computed) {
  check_graph({{3, 4}, {4, 3}, {3, 3}, {2, 3}}, [](std::span<const Tensor> in) {
    const Tensor block = slice(in[0], {.axis = 1, .from = 1});
    const Tensor turned = transpose(in[1], 0, 1);
    const Tensor scaled = in[2] * 0.5;
    Tensor h = in[3];
    for (Index t = 0; t < 4; ++t) {
      const Tensor wide = tanh(matmul(h, turned));
      h = tanh(matmul(h, block) + affine(h, scaled, slice(wide, {.axis = 1, .to = 3})));
    }
    return read(h, 0.7);
  });
}

BOOST_AUTO_TEST_CASE(table_that_is_also_a_weight_and_an_operand) {
  check_graph({{4, 3}, {2, 3}}, [](std::span<const Tensor> in) {
    const Tensor ids = tensor({3, 0, 3});
    const Tensor early = read(in[0], 0.2);
    const Tensor found = embedding(in[0], ids);
    const Tensor logits = matmul(in[1], transpose(in[0], 0, 1));
    return read(found, 0.7) + early + read(logits, 0.4) + read(embedding(tanh(in[0]), ids), 0.1);
  });
}

BOOST_AUTO_TEST_CASE(pieces_of_a_stack_that_are_read_again) {
  check_graph({{2, 3}, {2, 3}}, [](std::span<const Tensor> in) {
    const Tensor a = tanh(in[0]);
    const Tensor b = tanh(in[1] * a);
    const Tensor all = stack({a, b, a, b}, 0);
    return read(all, 0.2) + read(a, 0.3) + read(concat({b, a, b}, 1), 0.4) +
           read(select(all, 0, 2), 0.5);
  });
}

// One function of two regions that overlap: what it writes for one, it adds to for the other.
BOOST_AUTO_TEST_CASE(operands_of_one_function_overlap) {
  for (const bool reversed : {false, true}) {
    const auto product = [reversed](const Tensor& a, const Tensor& b) {
      return reversed ? tanh(b * 0.5) + b * square(a) + b * a : a * b;
    };
    check_graph({{4, 3}}, [&](std::span<const Tensor> in) {
      const Tensor P = tanh(in[0]);
      return read(product(rows(P, 0, 3), rows(P, 1, 4)), 0.1);
    });
    check_graph({{4, 3}}, [&](std::span<const Tensor> in) {
      const Tensor P = tanh(in[0]);
      return read(product(rows(P, 1, 4), rows(P, 0, 3)), 0.1);
    });
    check_graph({{2, 40}}, [&](std::span<const Tensor> in) {
      const Tensor P = tanh(in[0]);
      return read(product(slice(P, {.axis = 1, .to = 30}), slice(P, {.axis = 1, .from = 10})), 0.1);
    });
  }
}

// The same where a kernel goes through its rows in many stretches.
BOOST_AUTO_TEST_CASE(long_operands_of_one_function_overlap) {
  Rng rng(5);
  const Tensor leaf = uniform({3, 40'000}, -1, 1, rng, f64);
  const auto gradient = [&](bool differentiable, const auto& graph) {
    Tape tape;
    const Tensor x = tape.watch(leaf);
    return detach(tape.gradient(graph(tanh(x)), x, {.differentiable = differentiable}));
  };
  const auto by_rows = [](const Tensor& P) { return read(rows(P, 0, 2) * rows(P, 1, 3), 0.1); };
  const auto by_rows_up = [](const Tensor& P) { return read(rows(P, 1, 3) * rows(P, 0, 2), 0.1); };
  const auto by_columns = [](const Tensor& P) {
    return read(slice(P, {.axis = 1, .to = 39'000}) * slice(P, {.axis = 1, .from = 1'000}), 0.1);
  };
  BOOST_TEST(disagreement(gradient(false, by_rows), gradient(true, by_rows), {.relative = 1e-12}) ==
             "");
  BOOST_TEST(disagreement(gradient(false, by_rows_up), gradient(true, by_rows_up),
                          {.relative = 1e-12}) == "");
  BOOST_TEST(disagreement(gradient(false, by_columns), gradient(true, by_columns),
                          {.relative = 1e-12}) == "");
}

BOOST_AUTO_TEST_CASE(same_operand_twice_in_every_layout) {
  check_graph({{4, 6}}, [](std::span<const Tensor> in) {
    const Tensor P = tanh(in[0]);
    const Tensor left = slice(P, {.axis = 1, .from = 0, .to = 4});
    const Tensor right = slice(P, {.axis = 1, .from = 2});
    const Tensor turned = transpose(slice(P, {.axis = 1, .from = 1, .to = 5}), 0, 1);
    return read(left * left, 0.1) + read(left * right, 0.2) + read(turned * turned, 0.3) +
           read(left * turned, 0.4);
  });
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace unroll::test
