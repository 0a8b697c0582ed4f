#include <cmath>

#include <boost/test/unit_test.hpp>

#include "optim/kinds.h"
#include "support/error_text.h"

// Row-sparse gradients, as those of embeddings.
namespace unroll::test {
namespace {

struct Table {
  Index rows = 0;
  Index columns = 0;
  std::vector<std::vector<Index>> ids = {};  // of each step
};
// The large one is cut among tasks, in the middle of rows.
std::vector<Table> tables() {
  return {{.rows = 5, .columns = 1, .ids = {{0, 4}, {2}, {}, {0, 1, 2, 3, 4}}},
          {.rows = 50, .columns = 7, .ids = {{0, 3, 4, 49}, {3}, {7, 8, 9}}},
          {.rows = 3001, .columns = 37, .ids = {{0, 885, 886, 1771, 3000}, {1, 886}, {886, 2000}}},
          {.rows = 4, .columns = 40'001, .ids = {{0, 2}, {1}}}};
}

BOOST_AUTO_TEST_SUITE(sparse)

// Without clip_norm: the norms are sums in another order.
BOOST_AUTO_TEST_CASE(exact_is_dense_to_the_bit) {
  for (const Kind& kind : kinds())
    for (const DType dtype : {f32, f64})
      for (const Table& table : tables()) {
        Rng rng(11);
        const Tensor values = normal({table.rows, table.columns}, 0, 1, rng, dtype);
        Model a{{"W", values}}, b{{"W", values}};
        const auto sparse = kind.make(a.parameters(), optim::Sparse::exact),
                   dense = kind.make(b.parameters(), optim::Sparse::exact);
        for (const auto& ids : table.ids) {
          const auto entry =
              gradient_of(a[0], ids, normal({std::ssize(ids), table.columns}, 0, 1, rng, dtype));
          const auto x = sparse->step(gradients(entry), {.clip_value = 1.5});
          const auto y = dense->step(gradients(gradient_of(b[0], to_dense(entry.sparse))),
                                     {.clip_value = 1.5});
          BOOST_TEST(std::abs(x.norm - y.norm) <= 1e-14 * y.norm);
          const auto same = all_equal(a[0], b[0]);
          BOOST_TEST(same.ok(), kind.name << " " << describe(values) << ": " << same);
        }
        const auto mine = sparse->state(), theirs = dense->state();
        BOOST_REQUIRE_EQUAL(mine.size(), theirs.size());
        for (std::size_t i = 0; i < mine.size(); ++i)
          BOOST_TEST(all_equal(mine[i].tensor, theirs[i].tensor).ok(),
                     kind.name << " " << mine[i].name);
      }
}

// The rows with a gradient become what they would become if they were the whole table; no bit of
// the others changes.
BOOST_AUTO_TEST_CASE(lazy_changes_its_rows_only) {
  const std::vector<Index> ids{0, 3, 4, 10};
  const Tensor which = from(std::span<const Index>(ids), {4});
  for (const Kind& kind : kinds()) {
    Rng rng(12);
    const Tensor values = normal({11, 9}, 0, 1, rng);
    Model table{{"W", values}}, rows{{"W", embedding(values, which)}};
    const auto lazy = kind.make(table.parameters(), optim::Sparse::lazy),
               dense = kind.make(rows.parameters(), optim::Sparse::exact);
    for (int step = 0; step < 4; ++step) {
      const Tensor g = normal({4, 9}, 0, 1, rng);
      lazy->step(gradients(gradient_of(table[0], ids, g)), {.clip_norm = 3});
      dense->step(gradients(gradient_of(rows[0], g)), {.clip_norm = 3});
    }
    BOOST_TEST(all_equal(embedding(detach(table[0]), which), rows[0]).ok(), kind.name);
    for (const Index row : {1, 2, 5, 9})
      BOOST_TEST(all_equal(select(detach(table[0]), 0, row), select(values, 0, row)).ok(),
                 kind.name);
    for (const auto& [name, moment] : lazy->state())
      if (moment.rank() == 2) {
        const Tensor untouched = select(moment, 0, 1);
        BOOST_TEST(all_equal(untouched, select(moment, 0, 2)).ok(), kind.name);
        BOOST_TEST(!all_equal(untouched, select(moment, 0, 3)).ok(), kind.name);
        BOOST_TEST(max(untouched).item() == -max(-untouched).item(), kind.name);
      }
  }
}

BOOST_AUTO_TEST_CASE(moments_act_on_rows_without_a_gradient) {
  for (const Kind& kind : kinds()) {
    Model model{{"W", ones({3, 2})}};
    const auto optimizer = kind.make(model.parameters(), optim::Sparse::exact);
    optimizer->step(gradients(gradient_of(model[0], {0, 1, 2}, ones({3, 2}))));
    const Tensor before = copy_of(model[0]);
    optimizer->step(gradients(gradient_of(model[0], {1}, ones({1, 2}))));
    BOOST_TEST(
        all_equal(select(detach(model[0]), 0, 2), select(before, 0, 2)).ok() != kind.changes_all,
        kind.name);
  }
}

BOOST_AUTO_TEST_CASE(gradients_of_an_embedding) {
  Model model{{"W", ones({5, 2})}};
  optim::SGD sgd(model.parameters(), {.lr = 1});
  Tape tape;
  const Gradients g = tape.backward(sum(embedding(model[0], tensor({3, 1, 3}))));
  BOOST_REQUIRE(g.find(model[0])->is_sparse());
  sgd.step(g);
  BOOST_TEST(
      all_equal(model[0], tensor({{1.0, 1.0}, {0.0, 0.0}, {1.0, 1.0}, {-1.0, -1.0}, {1.0, 1.0}}))
          .ok());
}

BOOST_AUTO_TEST_CASE(a_bad_element_is_named_by_its_row_of_the_table) {
  Model model{{"W", ones({50, 2})}};
  optim::Adam adam(model.parameters());
  const Tensor g = tensor({{1.0, 1.0}, {1.0, HUGE_VAL}});
  BOOST_TEST(error_text([&] {
               adam.step(gradients(gradient_of(model[0], {7, 31}, g)));
             })
                 .starts_with("[adam] gradient of W f32 [50, 2] has 1 infinite, first at [31, 1]; "
                              "needed finite values"));
  BOOST_TEST(all_equal(model[0], ones({50, 2})).ok());
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace
}  // namespace unroll::test
