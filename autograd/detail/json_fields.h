#pragma once

#include <array>
#include <string_view>

namespace unroll::detail::json {

// Where in a graph's JSON the reader is.
enum class In { nothing, root, nodes, node, values, value, numbers, statistics, bytes, byte_list };

// A key, the object that has it, and what stands behind it.
struct Field {
  std::string_view name;
  In of;
  enum Kind { text, format, dtype, direction, whole, order, real, yes, list, part, parts } kind;
};

inline constexpr std::array<Field, 31> fields{{
    {"format", In::root, Field::format},
    {"loss", In::root, Field::whole},
    {"nodes", In::root, Field::parts},
    {"values", In::root, Field::parts},
    {"operation", In::node, Field::text},
    {"path", In::node, Field::text},
    {"step", In::node, Field::whole},
    {"layer", In::node, Field::whole},
    {"direction", In::node, Field::direction},
    {"order", In::node, Field::order},
    {"view", In::node, Field::yes},
    {"inputs", In::node, Field::list},
    {"outputs", In::node, Field::list},
    {"saved_bytes", In::node, Field::whole},
    {"seconds", In::node, Field::real},
    {"backward_seconds", In::node, Field::real},
    {"name", In::value, Field::text},
    {"parameter", In::value, Field::yes},
    {"state", In::value, Field::text},
    {"node", In::value, Field::whole},
    {"shape", In::value, Field::list},
    {"dtype", In::value, Field::dtype},
    {"statistics", In::value, Field::part},
    {"gradient_norm", In::value, Field::real},
    {"mean", In::statistics, Field::real},
    {"deviation", In::statistics, Field::real},
    {"least", In::statistics, Field::real},
    {"most", In::statistics, Field::real},
    {"nan", In::statistics, Field::whole},
    {"infinite", In::statistics, Field::whole},
    {"zeros", In::statistics, Field::whole},
}};

inline const char* description(Field::Kind kind) {
  switch (kind) {
    case Field::text:
      return "a text, or {\"bytes\": [...]}";
    case Field::format:
      return "\"unroll graph 1\"";
    case Field::dtype:
      return "\"f32\", \"f64\" or \"i64\"";
    case Field::direction:
      return "\"forward\" or \"backward\"";
    case Field::whole:
      return "a whole number";
    case Field::order:
      return "a whole number from 0";
    case Field::real:
      return "a number, \"nan\", \"inf\" or \"-inf\"";
    case Field::yes:
      return "true or false";
    case Field::list:
      return "a list of whole numbers";
    case Field::part:
      return "an object";
    case Field::parts:
      return "a list of objects";
  }
  return "";
}

}  // namespace unroll::detail::json
