#pragma once

#include <unroll/autograd/state.h>
#include <unroll/autograd/tensor.h>

#include <memory>
#include <string>
#include <vector>

// Names of the tensors in a state, as in "state.forward[0].h": a field by name where it has one of
// those that states usually have, others by number; elements of vectors and arrays in brackets.
namespace unroll::detail {

template <class Field>
bool is_at(const Field& field, const void* address) {
  return static_cast<const void*>(std::addressof(field)) == address;
}

// C++ does not tell the names of fields: these are asked for one by one.
template <class S>
std::string field_name_of(const S& s, const void* at, std::size_t number) {
  if constexpr (requires { s.h; })
    if (is_at(s.h, at)) return "h";
  if constexpr (requires { s.c; })
    if (is_at(s.c, at)) return "c";
  if constexpr (requires { s.forward; })
    if (is_at(s.forward, at)) return "forward";
  if constexpr (requires { s.backward; })
    if (is_at(s.backward, at)) return "backward";
  if constexpr (requires { s.x; })
    if (is_at(s.x, at)) return "x";
  if constexpr (requires { s.inputs; })
    if (is_at(s.inputs, at)) return "inputs";
  if constexpr (requires { s.ids; })
    if (is_at(s.ids, at)) return "ids";
  if constexpr (requires { s.initial; })
    if (is_at(s.initial, at)) return "initial";
  if constexpr (requires { s.state; })
    if (is_at(s.state, at)) return "state";
  if constexpr (requires { s.cell; })
    if (is_at(s.cell, at)) return "cell";
  if constexpr (requires { s.context; })
    if (is_at(s.context, at)) return "context";
  if constexpr (requires { s.keys; })
    if (is_at(s.keys, at)) return "keys";
  if constexpr (requires { s.values; })
    if (is_at(s.values, at)) return "values";
  if constexpr (requires { s.mask; })
    if (is_at(s.mask, at)) return "mask";
  if constexpr (requires { s.targets; })
    if (is_at(s.targets, at)) return "targets";
  if constexpr (requires { s.labels; })
    if (is_at(s.labels, at)) return "labels";
  return std::to_string(number);
}

inline std::string joined_name(const std::string& outer, const std::string& inner) {
  return outer.empty() ? inner : outer + "." + inner;
}

// Names in the order of for_each_tensor, undefined tensors among them.
template <class S>
void append_names(const S& state, const std::string& name, std::vector<std::string>& names) {
  if constexpr (std::is_base_of_v<Tensor, S>) {
    names.push_back(name);
  } else if constexpr (std::is_arithmetic_v<S> || std::is_enum_v<S>) {
    static_cast<void>(state);
  } else if constexpr (is_vector<S> || is_std_array<S>) {
    std::size_t number = 0;
    for (const auto& element : state)
      append_names(element, name + "[" + std::to_string(number++) + "]", names);
  } else if constexpr (is_optional<S>) {
    if (state.has_value()) append_names(*state, name, names);
  } else if constexpr (is_tuple<S>) {
    std::size_t number = 0;
    std::apply(
        [&](const auto&... element) {
          (append_names(element, joined_name(name, std::to_string(number++)), names), ...);
        },
        state);
  } else {
    std::size_t number = 0;
    const auto append = [&](const auto& field) {
      const std::string field_name = field_name_of(state, std::addressof(field), number++);
      append_names(field, joined_name(name, field_name), names);
    };
    with_fields(state, [&](const auto&... field) { (append(field), ...); });
  }
}

// Those of the tensors that are defined.
template <class S>
std::vector<std::string> names_of(const S& state, const std::string& name) {
  std::vector<std::string> all, defined;
  append_names(state, name, all);
  std::size_t number = 0;
  for_each_tensor(state, [&](const Tensor& x) {
    if (x.defined()) defined.push_back(all[number]);
    ++number;
  });
  return defined;
}

}  // namespace unroll::detail
