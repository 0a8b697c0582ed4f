#include <unroll/autograd/graph/detail/theme.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>

namespace unroll::graph::detail {

const Palette& palette(Theme theme) {
  static constexpr Palette light{.background = "#ffffff",
                                 .text = "#1f2933",
                                 .faint = "#616e7c",
                                 .arrow = "#7b8794",
                                 .loop = "#0072b2",
                                 .gradient = "#a3477b",
                                 .saved = "#9aa5b1",
                                 .bad = "#d32f2f",
                                 .bad_fill = "#fbd5d5",
                                 .frame = "#cbd2d9",
                                 .frame_fill = "#f8f9fa",
                                 .loop_fill = "#eaf3fa",
                                 .added = "#1b7f4b",
                                 .added_fill = "#cdeedd",
                                 .removed = "#c62828",
                                 .removed_fill = "#f9d6d5",
                                 .changed = "#b26a00",
                                 .changed_fill = "#ffe7bd"};
  static constexpr Palette dark{.background = "#1b1f24",
                                .text = "#e4e7eb",
                                .faint = "#a5b1bd",
                                .arrow = "#7f8b97",
                                .loop = "#56b4e9",
                                .gradient = "#e29ac4",
                                .saved = "#616e7c",
                                .bad = "#ff6b6b",
                                .bad_fill = "#5c1f1f",
                                .frame = "#46515c",
                                .frame_fill = "#22272d",
                                .loop_fill = "#1d2c38",
                                .added = "#4cc38a",
                                .added_fill = "#173d2b",
                                .removed = "#ff8a80",
                                .removed_fill = "#4d1f1f",
                                .changed = "#ffb74d",
                                .changed_fill = "#4a3413"};
  return theme == Theme::light ? light : dark;
}

Look look(Box::Kind kind, Theme theme) {
  const bool light = theme == Theme::light;
  const char* text = palette(theme).text;
  switch (kind) {
    case Box::Kind::parameter:
      return {light ? "#fde8c0" : "#4d3a10", light ? "#b87700" : "#e69f00", text, "cylinder",
              "filled"};
    case Box::Kind::input:
      return {light ? "#d5f0e5" : "#123d30", light ? "#00805c" : "#2ec49a", text, "ellipse",
              "filled"};
    case Box::Kind::operation:
      return {light ? "#ffffff" : "#2b3138", light ? "#7b8794" : "#8a96a3", text, "box",
              "filled,rounded"};
    case Box::Kind::state:
      return {light ? "#cfe6f7" : "#15374f", light ? "#0072b2" : "#56b4e9", text, "box",
              "filled,rounded"};
    case Box::Kind::loss:
      return {light ? "#f7d9ea" : "#4d1f3a", light ? "#a3477b" : "#e29ac4", text, "octagon",
              "filled"};
    case Box::Kind::module:
      return {light ? "#e6e9ee" : "#343c45", light ? "#52606d" : "#a5b1bd", text, "box3d",
              "filled"};
    case Box::Kind::ellipsis:
      return {light ? "#ffffff" : "#1b1f24", light ? "#9aa5b1" : "#7f8b97", text, "box",
              "filled,dashed,rounded"};
    case Box::Kind::derivative:
      return {light ? "#fbf7cf" : "#403c14", light ? "#8f8400" : "#f0e442", text, "box",
              "filled,rounded"};
  }
  return {};
}

const char* name_of(Box::Kind kind) {
  switch (kind) {
    case Box::Kind::parameter:
      return "parameter";
    case Box::Kind::input:
      return "input";
    case Box::Kind::operation:
      return "operation";
    case Box::Kind::state:
      return "makes a state";
    case Box::Kind::loss:
      return "loss";
    case Box::Kind::module:
      return "module";
    case Box::Kind::ellipsis:
      return "steps not drawn";
    case Box::Kind::derivative:
      return "derivative";
  }
  return "";
}

double position(const Scale& scale, double amount) {
  if (!std::isfinite(amount)) return 1;
  if (scale.most <= scale.least) return amount <= 0 ? 0 : 1;
  const double p = scale.logarithmic
                       ? (std::log(std::max(amount, scale.least)) - std::log(scale.least)) /
                             (std::log(scale.most) - std::log(scale.least))
                       : (amount - scale.least) / (scale.most - scale.least);
  return std::clamp(p, 0.0, 1.0);
}

std::string colour(double position) {
  constexpr std::array<std::array<double, 3>, 9> stops{{{68, 1, 84},
                                                        {71, 44, 122},
                                                        {59, 81, 139},
                                                        {44, 113, 142},
                                                        {33, 144, 141},
                                                        {39, 173, 129},
                                                        {92, 200, 99},
                                                        {170, 220, 50},
                                                        {253, 231, 37}}};
  const double x = std::clamp(position, 0.0, 1.0) * static_cast<double>(stops.size() - 1);
  const auto low = std::min(static_cast<std::size_t>(x), stops.size() - 2);
  const double part = x - static_cast<double>(low);
  std::array<int, 3> rgb{};
  for (std::size_t c = 0; c < 3; ++c)
    rgb[c] = static_cast<int>(std::lround(stops[low][c] * (1 - part) + stops[low + 1][c] * part));
  std::array<char, 8> text{};
  std::snprintf(text.data(), text.size(), "#%02x%02x%02x", static_cast<unsigned>(rgb[0]) & 255U,
                static_cast<unsigned>(rgb[1]) & 255U, static_cast<unsigned>(rgb[2]) & 255U);
  return text.data();
}

bool is_dark(double position) { return position < 0.55; }

}  // namespace unroll::graph::detail
