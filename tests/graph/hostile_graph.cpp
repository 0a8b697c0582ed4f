#include "hostile_graph.h"

#include <array>
#include <string_view>

namespace unroll::test {
namespace {

using namespace std::string_view_literals;

constexpr std::array special{"</script>"sv,
                             "<!--"sv,
                             "-->"sv,
                             "]]>"sv,
                             "<script>alert(1)</script>"sv,
                             "<img src=x onerror=alert(1)>"sv,
                             "\""sv,
                             "'"sv,
                             "`"sv,
                             "\\"sv,
                             "\\N"sv,
                             "\\G"sv,
                             "\\l"sv,
                             "\\\""sv,
                             "&"sv,
                             "&amp;"sv,
                             "&#0;"sv,
                             "&#x41;"sv,
                             "&lt"sv,
                             "<"sv,
                             ">"sv,
                             "{"sv,
                             "}"sv,
                             "|"sv,
                             "["sv,
                             "]"sv,
                             ";"sv,
                             ","sv,
                             "->"sv,
                             "--"sv,
                             "//"sv,
                             "/*"sv,
                             "*/"sv,
                             "#"sv,
                             "+"sv,
                             "="sv,
                             "$"sv,
                             "${x}"sv,
                             "{{data}}"sv,
                             "%00"sv,
                             "%s%n"sv,
                             ":"sv,
                             ":n"sv,
                             "."sv,
                             ".."sv,
                             "a.b"sv,
                             "\n"sv,
                             "\r\n"sv,
                             "\t"sv,
                             "\0"sv,
                             "\x1b[31m"sv,
                             "\x7f"sv,
                             "\xff"sv,
                             "\xfe\xff"sv,
                             "\xc0\x80"sv,
                             "\xed\xa0\x80"sv,
                             "\xf4\x90\x80\x80"sv,
                             "\xe2\x80"sv,
                             "\u2028"sv,
                             "\u2029"sv,
                             "\u202e"sv,
                             "\u00a0"sv,
                             "\ufeff"sv,
                             "\u0301"sv,
                             "é"sv,
                             "λ"sv,
                             "日本"sv,
                             "🙂"sv,
                             "digraph"sv,
                             "node"sv,
                             "subgraph cluster_x {"sv,
                             "<b>"sv,
                             "<table>"sv,
                             "__proto__"sv,
                             "constructor"sv,
                             " "sv,
                             "  "sv};

}  // namespace

std::string hostile_name(Rng& rng) {
  std::string name;
  const Index kind = rng.below(400);
  if (kind == 0) {  // 100 kB
    const std::string_view part = special[static_cast<std::size_t>(rng.below(std::ssize(special)))];
    while (name.size() < 100'000) name += part.find('.') == std::string_view::npos ? part : "x"sv;
  } else if (kind == 1) {
    for (int k = 0; k < 100'000; ++k) {
      const auto byte = static_cast<char>(rng.below(256));
      name += byte == '.' ? ',' : byte;
    }
  } else if (kind < 20) {
    // nothing
  } else if (kind < 150) {
    for (Index k = rng.below(40); k >= 0; --k) name += static_cast<char>(rng.below(256));
  } else {
    for (Index k = rng.below(5); k >= 0; --k)
      name += special[static_cast<std::size_t>(rng.below(std::ssize(special)))];
  }
  return name;
}

graph::Snapshot hostile_graph(Rng& rng) {
  graph::Snapshot s;
  constexpr Index leaves = 6;
  constexpr Index operations = 12;
  for (Index v = 0; v < leaves; ++v)
    s.values.push_back({.shape = {v, 2}, .name = hostile_name(rng), .parameter = v % 2 == 0});
  for (Index n = 0; n < operations; ++n) {
    s.nodes.push_back({.operation = hostile_name(rng),
                       .path = hostile_name(rng),
                       .inputs = {n % leaves, leaves + n - 1},
                       .outputs = {leaves + n}});
    if (n == 0) s.nodes.back().inputs[1] = 1;
    s.values.push_back(
        {.shape = {3}, .node = n, .name = hostile_name(rng), .state = hostile_name(rng)});
  }
  s.loss = leaves + operations - 1;
  return s;
}

}  // namespace unroll::test
