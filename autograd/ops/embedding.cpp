#include <unroll/autograd/backward.h>
#include <unroll/autograd/create.h>
#include <unroll/autograd/detail/finite.h>
#include <unroll/autograd/ops/embedding.h>
#include <unroll/autograd/ops/indexing.h>
#include <unroll/autograd/ops/views.h>

#include <cstring>
#include <vector>

namespace unroll {
namespace {

Tensor place_rows(const Tensor& rows, const Tensor& ids, const Shape& table);

constexpr Index no_padding = -1;
struct Padding {
  Index id;
};

// The gradients of looked up rows, and their ids, without those of the padding.
struct Lookups {
  Tensor ids;
  Tensor rows;
};
Lookups without_padding(const Tensor& ids, const Tensor& rows, Index padding) {
  if (padding == no_padding) return {ids, rows};
  std::vector<Index> kept, positions;
  const auto list = ids.span<Index>();
  for (std::size_t i = 0; i < list.size(); ++i) {
    if (list[i] == padding) continue;
    kept.push_back(list[i]);
    positions.push_back(static_cast<Index>(i));
  }
  const auto count = std::ssize(kept);
  return {from(std::span<const Index>(kept), {count}),
          index_select(reshape(rows, {std::ssize(list), rows.size(-1)}), 0,
                       from(std::span<const Index>(positions), {count}))};
}

const RegisteredOperation embedding_op{
    {.name = "embedding",
     .derivative =
         [](Backward& b) {
           const Tensor g = b.upstream();
           if (!g.defined() || !b.needs(0)) return;
           const Lookups found = without_padding(b.saved(0), g, b.attributes<Padding>().id);
           if (b.differentiable())
             b.add(0, place_rows(found.rows, found.ids, b.input_shape(0)));
           else
             b.add_rows(0, found.ids, found.rows);
         },
     .check =
         [] {
           return Check{.cases = {{.name = "",
                                   .inputs = {{.shape = {5, 3}}, {.shape = {2, 4}, .ids = 5}},
                                   .call = [](std::span<const Tensor> in) {
                                     return embedding(in[0], in[1]);
                                   }}}};
         },
     .formula = "rows of a table; dtable = dy added at the ids, but to no padding"}};

const RegisteredOperation place_rows_op{
    {.name = "place_rows",
     .derivative =
         [](Backward& b) {
           if (const Tensor g = b.upstream(); g.defined()) b.add(0, embedding(g, b.saved(0)));
         },
     .check =
         [] {
           return Check{.cases = {{.name = "",
                                   .inputs = {{.shape = {4, 3}}},
                                   .call =
                                       [](std::span<const Tensor> in) {
                                         return place_rows(in[0], tensor({1, 0, 1, 4}), {5, 3});
                                       }}},
                        .trusts_caller = true};
         },
     .formula = "a table of zeros with rows added"}};

Tensor place_rows(const Tensor& rows, const Tensor& ids, const Shape& table) {
  const Tensor from = detail::dense_copy(rows);
  const Tensor at = detail::dense_copy(ids);
  Tensor y = zeros(table, rows.dtype());
  const Index columns = table[-1];
  visit_floating(rows.dtype(), [&]<class T>(T) {
    const T* row = detail::data<T>(from);
    for (const Index id : at.span<Index>()) {
      T* to = detail::data<T>(y) + id * columns;
      for (Index i = 0; i < columns; ++i) to[i] += row[i];
      row += columns;
    }
  });
  return detail::record(place_rows_op, {&rows}, y, {&at});
}

}  // namespace

Tensor embedding(const Tensor& table, const Tensor& ids) { return embedding(table, ids, {}); }

Tensor embedding(const Tensor& table, const Tensor& ids, const EmbeddingOptions& options) {
  detail::require_floating("embedding", "table", table);
  detail::require_defined("embedding", "ids", ids);
  if (table.rank() != 2 || ids.dtype() != i64)
    fail("embedding", {.given = "table " + describe(table) + " and ids " + describe(ids),
                       .needed = "a table [count, size] and ids in i64",
                       .hint = "tensor({1, 2}) is i64"});
  const Tensor rows = detail::dense_copy(table);
  const Tensor at = detail::dense_copy(ids);
  const Index count = table.size(0);
  const Index columns = table.size(1);
  Tensor y = detail::empty(ids.shape().inserted(ids.rank(), columns), table.dtype());
  const auto bytes = static_cast<std::size_t>(columns) * element_bytes(table.dtype());
  if (options.padding && (*options.padding < 0 || *options.padding >= count))
    fail("embedding",
         {.given = "padding " + std::to_string(*options.padding) + " for table " + describe(table),
          .needed = "0 … " + std::to_string(count - 1),
          .hint = {}});
  std::byte* to = y.header()->data;
  const auto list = at.span<Index>();
  for (std::size_t i = 0; i < list.size(); ++i, to += bytes) {
    if (list[i] < 0 || list[i] >= count)
      fail("embedding", {.given = "id " + std::to_string(list[i]) + " at " +
                                  detail::index_text(static_cast<Index>(i), ids.shape()),
                         .needed = "0 … " + std::to_string(count - 1),
                         .hint = "the table has " + std::to_string(count) +
                                 " rows; is the vocabulary of the data that of the model?"});
    std::memcpy(to, rows.header()->data + static_cast<std::size_t>(list[i]) * bytes, bytes);
  }
  return detail::record(embedding_op, {&table}, y, {&at},
                        Padding{options.padding.value_or(no_padding)});
}

}  // namespace unroll
