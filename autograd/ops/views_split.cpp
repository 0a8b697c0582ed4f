#include <unroll/autograd/ops/views.h>
#include <unroll/autograd/ops/views_record.h>

#include <algorithm>

namespace unroll {
namespace {

const RegisteredOperation split_op{{.name = "split",
                                    .derivative = detail::view_derivative,
                                    .flow = Flow::views,
                                    .check =
                                        [] {
                                          Check check;
                                          check.cases.push_back(
                                              {.name = "pieces",
                                               .inputs = {{.shape = {3, 6}}},
                                               .call = [](std::span<const Tensor> in) {
                                                 auto pieces = split<3>(in[0], -1);
                                                 return pieces[2];
                                               }});
                                          return check;
                                        },
                                    .formula = "equal pieces of an axis"}};

}  // namespace

namespace detail {

void split_equal(const Tensor& x, Index axis, std::span<Tensor> pieces) {
  require_defined("split", "x", x);
  const Index at = normalize_axis("split", axis, x.rank());
  const auto count = std::ssize(pieces);
  constexpr std::size_t most_pieces = 250;  // of one node
  if (pieces.size() > most_pieces) {
    const std::vector<Index> sizes(pieces.size(), x.size(at) / count);
    return split_sizes(x, sizes, axis, pieces);
  }
  const Index extent = x.size(at);
  if (extent % count != 0)
    fail("split", {.given = "x " + describe(x) + ", axis " + std::to_string(axis) + " in " +
                            std::to_string(count) + " pieces",
                   .needed = "an extent that " + std::to_string(count) + " divides",
                   .hint = "split(x, {n, m}, axis) makes pieces of unequal size"});
  const Index piece = extent / count;
  const Tensor* const input = &x;
  const bool recording = is_recording("split", {&input, 1});
  std::array<Index, Shape::max_rank> shape{};
  std::copy(extents(x).begin(), extents(x).end(), shape.begin());
  shape[static_cast<std::size_t>(at)] = piece;
  const std::span<const Index> piece_extents(shape.data(), extents(x).size());
  const Index step = piece * strides(x)[static_cast<std::size_t>(at)];
  for (Index k = 0; k < count; ++k)
    pieces[static_cast<std::size_t>(k)] =
        make_view(*x.header(), piece_extents, strides(x), k * step);
  if (!recording) return;
  std::array<Tensor*, most_pieces> outputs;
  for (std::size_t k = 0; k < pieces.size(); ++k) outputs[k] = &pieces[k];
  record_view(
      split_op, x, std::span(outputs).first(pieces.size()),
      [&](const Layout& whole) {
        Layout layout = whole;
        layout.shape = whole.shape.with(at, piece);
        return layout;
      },
      at, piece);
}

void split_sizes(const Tensor& x, std::span<const Index> sizes, Index axis,
                 std::span<Tensor> pieces) {
  require_defined("split", "x", x);
  const Index at = normalize_axis("split", axis, x.rank());
  Index total = 0;
  for (const Index size : sizes) total += size;
  if (total != x.size(at) || std::any_of(sizes.begin(), sizes.end(), [](Index n) { return n < 0; }))
    fail("split", {.given = "x " + describe(x) + ", axis " + std::to_string(axis) + " in sizes " +
                            to_string(Shape(sizes)),
                   .needed = "sizes that add up to " + std::to_string(x.size(at)),
                   .hint = {}});
  Index begin = 0;
  for (std::size_t k = 0; k < sizes.size(); begin += sizes[k], ++k)
    pieces[k] = slice(x, {.axis = at, .from = begin, .to = begin + sizes[k]});
}

}  // namespace detail

std::vector<Tensor> split(const Tensor& x, std::span<const Index> sizes, Index axis) {
  std::vector<Tensor> pieces(sizes.size());
  detail::split_sizes(x, sizes, axis, pieces);
  return pieces;
}

std::vector<Tensor> chunk(const Tensor& x, Index count, Index axis) {
  detail::require_defined("chunk", "x", x);
  const Index at = normalize_axis("chunk", axis, x.rank());
  if (count <= 0)
    fail("chunk", {.given = std::to_string(count) + " pieces of x " + describe(x),
                   .needed = "1 or more",
                   .hint = {}});
  const Index extent = x.size(at);
  const Index size = std::max<Index>(1, (extent + count - 1) / count);
  std::vector<Tensor> pieces(
      static_cast<std::size_t>(std::max<Index>(1, (extent + size - 1) / size)));
  if (extent == std::ssize(pieces) * size) {
    detail::split_equal(x, at, pieces);
  } else {
    std::vector<Index> sizes(pieces.size(), size);
    sizes.back() = extent - (std::ssize(pieces) - 1) * size;
    detail::split_sizes(x, sizes, at, pieces);
  }
  return pieces;
}

std::vector<Tensor> unstack(const Tensor& x, Index axis) {
  detail::require_defined("unstack", "x", x);
  const Index at = normalize_axis("unstack", axis, x.rank());
  std::vector<Tensor> parts;
  parts.reserve(static_cast<std::size_t>(x.size(at)));
  for (Index i = 0; i < x.size(at); ++i) parts.push_back(select(x, at, i));
  return parts;
}

}  // namespace unroll
