// tape.report(): counted by hand.
#include <unroll/autograd/pool.h>
#include <unroll/autograd/scope.h>

#include <sstream>

#include <boost/test/unit_test.hpp>

#include "support/leaves.h"

namespace unroll::test {
namespace {

struct At {
  explicit At(const char* path, Index step = -1)
      : frame(
            path, [](const void* p) { return std::string(static_cast<const char*>(p)); }, step) {}
  detail::ScopeFrame frame;
};

// What a dense f32 tensor of n elements and this rank costs in the pool.
Index block_bytes(Index n, Index rank) {
  const Index head = (48 + 16 * rank + 63) / 64 * 64;
  const auto bytes = static_cast<std::size_t>(head + 4 * (n - 1) + 64);
  return static_cast<Index>(detail::pool_class_bytes(detail::pool_class(bytes)));
}

std::string text_of(const TapeReport& report) {
  std::ostringstream text;
  text << report;
  return text.str();
}

const TapeReport::Entry& entry(const std::vector<TapeReport::Entry>& list,
                               const std::string& name) {
  for (const auto& e : list)
    if (e.name == name) return e;
  throw std::logic_error(name);
}

}  // namespace

BOOST_AUTO_TEST_SUITE(tape_report)

BOOST_AUTO_TEST_CASE(nodes_and_bytes_by_operation_module_and_step) {
  const Tensor W = make_parameter(full({100, 100}, 0.01), "W");
  const Tensor x = ones({32, 100});
  const Index h_bytes = block_bytes(3200, 2);
  Tape tape;
  Tensor h = zeros({32, 100});
  for (Index t = 0; t < 3; ++t) {
    const At cell("cell", t);
    h = tanh(matmul(x, W) + h);  // saves x; for the sum, its operands; for tanh, its operand
  }
  Tensor loss;
  {
    const At head("head");
    loss = sum(h * h);  // saves h, once
  }
  const auto check = [&](bool held) {
    const TapeReport r = tape.report();
    BOOST_TEST(r.open == held);
    BOOST_TEST(r.nodes == 11);
    BOOST_TEST(r.leaves == 1);
    BOOST_TEST(entry(r.operations, "matmul").nodes == 3);
    BOOST_TEST(entry(r.operations, "matmul").saved_bytes == h_bytes);  // x, the first time
    BOOST_TEST(entry(r.operations, "matmul").output_bytes == 3 * 3200 * 4);
    BOOST_TEST(entry(r.operations, "tanh").saved_bytes == 3 * h_bytes);
    BOOST_TEST(entry(r.operations, "sum").output_bytes == 4);
    BOOST_TEST(entry(r.modules, "cell").nodes == 9);
    BOOST_TEST(entry(r.modules, "head").nodes == 2);
    BOOST_TEST(r.steps.size() == 4U);
    Index nodes = 0, saved = 0, outputs = 0;
    for (const auto* list : {&r.operations, &r.modules, &r.steps}) {
      Index n = 0, s = 0, o = 0;
      for (const auto& e : *list) {
        n += e.nodes;
        s += e.saved_bytes;
        o += e.output_bytes;
      }
      if (list != &r.operations) {
        BOOST_TEST(n == nodes);
        BOOST_TEST(s == saved);
        BOOST_TEST(o == outputs);
      }
      nodes = n, saved = s, outputs = o;
      for (std::size_t i = 1; i < list->size(); ++i)
        BOOST_TEST((*list)[i - 1].saved_bytes >= (*list)[i].saved_bytes);
    }
    BOOST_TEST(r.nodes == nodes);
    BOOST_TEST(r.saved_bytes == saved);
    BOOST_TEST(r.output_bytes == outputs);
    BOOST_TEST(r.held_bytes == (held ? r.saved_bytes : 0));
    BOOST_TEST(r.graph_bytes > 11 * 32);
    return r;
  };
  const TapeReport before = check(true);
  static_cast<void>(tape.backward(loss));
  const TapeReport after = check(false);
  BOOST_TEST(text_of(after).starts_with("closed tape: 11 operations, 1 leaf; "));
  BOOST_TEST(before.saved_bytes == after.saved_bytes);
}

// Memory is what the tape really keeps: a block is given back when nobody else holds it.
BOOST_AUTO_TEST_CASE(saved_bytes_are_what_the_tape_alone_keeps) {
  const Tensor p = make_parameter(ones({64, 64}), "p");
  Tape tape;
  const Index before = memory_stats().live_bytes;
  Tensor loss;
  {
    Tensor h = p * 2.0;
    for (int i = 0; i < 10; ++i) h = tanh(h);
    loss = sum(h);
  }
  const TapeReport r = tape.report();
  const Index chunk = r.graph_bytes / 4096 * 4096;
  const Index kept = memory_stats().live_bytes - before;
  BOOST_TEST(r.held_bytes + block_bytes(1, 0) <= kept);
  BOOST_TEST(kept <= r.held_bytes + block_bytes(1, 0) + chunk + 4096);
  BOOST_TEST(r.saved_bytes == 10 * block_bytes(64 * 64, 2));
}

// Parts that are made anew count as what is kept for them.
BOOST_AUTO_TEST_CASE(inputs_of_recompute_are_what_it_keeps) {
  const Tensor p = make_parameter(full({64, 64}, 0.5), "p");
  const Index block = block_bytes(64 * 64, 2);
  const auto f = [&](const Tensor& x) { return tanh(tanh(x * p)); };
  Tape tape;
  const Index before = memory_stats().live_bytes;
  Tensor loss;
  {
    Tensor h = ones({64, 64});
    for (Index t = 0; t < 10; ++t) {
      const At here("cell", t);
      h = recompute(f, h);
    }
    loss = sum(exp(h));  // saves the last h
  }
  const TapeReport open = tape.report();
  const Index chunk = open.graph_bytes / 4096 * 4096;
  const Index kept = memory_stats().live_bytes - before;
  BOOST_TEST(open.held_bytes + block_bytes(1, 0) <= kept);
  BOOST_TEST(kept <= open.held_bytes + block_bytes(1, 0) + chunk + 4096);
  static_cast<void>(tape.backward(loss));
  const TapeReport closed = tape.report();
  for (const TapeReport* r : {&open, &closed}) {
    BOOST_TEST(r->nodes == 32);
    BOOST_TEST(r->saved_bytes == 11 * block);
    BOOST_TEST(r->held_bytes == (r->open ? 11 * block : 0));
    BOOST_TEST(entry(r->operations, "recompute").saved_bytes == 10 * block);
    BOOST_TEST(entry(r->operations, "recompute").nodes == 0);
    BOOST_TEST(entry(r->operations, "tanh").saved_bytes == 0);
    BOOST_TEST(entry(r->operations, "tanh").nodes == 20);
    BOOST_TEST(entry(r->modules, "cell").saved_bytes == 10 * block);
    BOOST_TEST(entry(r->modules, "").saved_bytes == block);
    BOOST_TEST(r->steps.size() == 11U);
    for (const auto& e : r->steps) BOOST_TEST(e.saved_bytes == block);
  }
}

BOOST_AUTO_TEST_CASE(recompute_keeps_what_it_made_anew_for_a_recorded_gradient) {
  const Index block = block_bytes(64 * 64, 2);
  const auto f = [](const Tensor& x) { return tanh(exp(x)); };
  Tape tape;
  const Tensor x = tape.watch(full({64, 64}, 0.1));
  const Tensor y = recompute([&](const Tensor& a) { return recompute(f, f(a)); }, x);
  BOOST_TEST(tape.report().saved_bytes == block);  // x alone: the inner call is made anew, too
  static_cast<void>(tape.gradient(y, x, {.upstream = ones({64, 64})}));
  BOOST_TEST(tape.report().held_bytes == block);
  const Tensor g = tape.gradient(y, x, {.upstream = ones({64, 64}), .differentiable = true});
  const TapeReport r = tape.report();
  BOOST_TEST(r.held_bytes == r.saved_bytes);
  BOOST_TEST(entry(r.operations, "tanh").saved_bytes >= 2 * block);
  static_cast<void>(tape.gradient(sum(g), x));
  BOOST_TEST(tape.report().held_bytes <= memory_stats().live_bytes);
}

// What throws within a function stays recorded, and saved.
BOOST_AUTO_TEST_CASE(a_function_that_throws_keeps_nothing_but_its_nodes) {
  const Index block = block_bytes(64 * 64, 2);
  Tape tape;
  const Tensor x = tape.watch(full({64, 64}, 0.1));
  const auto f = [](const Tensor& a) -> Tensor {
    const Tensor b = exp(a);
    throw std::logic_error(std::to_string(b.size()));
  };
  BOOST_CHECK_THROW(static_cast<void>(recompute(f, x)), std::logic_error);
  const TapeReport r = tape.report();
  BOOST_TEST(r.saved_bytes == block);
  BOOST_TEST(entry(r.operations, "exp").saved_bytes == block);
  BOOST_TEST(r.operations.size() == 1U);
}

BOOST_AUTO_TEST_CASE(views_share_what_they_view) {
  Tape tape;
  const Tensor x = tape.watch(ones({4, 50})) * 1.0;
  Tensor loss = zeros({});
  for (Index i = 0; i < 4; ++i) loss = loss + sum(square(select(x, 0, i)));
  const TapeReport r = tape.report();
  BOOST_TEST(entry(r.operations, "select").output_bytes == 0);
  BOOST_TEST(entry(r.operations, "square").saved_bytes == block_bytes(200, 2));
}

BOOST_AUTO_TEST_CASE(parameters_are_not_counted) {
  const Tensor p = make_parameter(ones({50}), "p");
  Tape tape;
  static_cast<void>(tanh(p));
  BOOST_TEST(tape.report().saved_bytes == 0);
}

BOOST_AUTO_TEST_CASE(the_table) {
  Tape tape;
  BOOST_TEST(text_of(tape.report()) ==
             "open tape: 0 operations, 0 leaves; 0 B saved for backward (0 B of it held now), 0 B "
             "of outputs, 0 B of graph\n");
  const Tensor x = tape.watch(ones({100, 100}));
  Tensor y = x * 1.0;
  {
    const At here("encoder.cell", 3);
    y = tanh(tanh(y));
  }
  const std::string text = text_of(tape.report());
  BOOST_TEST(
      text.substr(0, text.find("outputs, ")) ==
      "open tape: 3 operations, 1 leaf; 120.0 KiB saved for backward (120.0 KiB of it held now), "
      "117.2 KiB of ");
  BOOST_TEST(text.substr(text.find('\n')) == R"(
operation       nodes      saved    outputs
  tanh              2   80.0 KiB   78.1 KiB
  mul_number        1   40.0 KiB   39.1 KiB
  total             3  120.0 KiB  117.2 KiB
module          nodes      saved    outputs
  encoder.cell      2   80.0 KiB   78.1 KiB
  (none)            1   40.0 KiB   39.1 KiB
  total             3  120.0 KiB  117.2 KiB
time step       nodes      saved    outputs
  t=3               2   80.0 KiB   78.1 KiB
  (none)            1   40.0 KiB   39.1 KiB
  total             3  120.0 KiB  117.2 KiB
)");
}

BOOST_AUTO_TEST_CASE(long_lists_are_cut) {
  Tape tape;
  Tensor y = tape.watch(ones({2}));
  for (Index t = 0; t < 40; ++t) {
    const At here("cell", t);
    y = tanh(y);
  }
  const TapeReport r = tape.report();
  BOOST_TEST(r.steps.size() == 40U);
  BOOST_TEST(text_of(r).find("\n  ... 25 more") != std::string::npos);
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace unroll::test
