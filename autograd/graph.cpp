#include <unroll/autograd/detail/recording.h>
#include <unroll/autograd/error.h>
#include <unroll/autograd/graph.h>
#include <unroll/autograd/operation.h>
#include <unroll/autograd/tape.h>

#include <algorithm>
#include <fstream>
#include <map>

#include <nlohmann/json.hpp>

namespace unroll {

graph::Snapshot Tape::snapshot() const {
  check_thread();
  const detail::Recording& r = *recording_;
  graph::Snapshot s;
  const auto index = [](std::uint32_t value) {
    return value == detail::no_value ? Index{-1} : Index{value};
  };
  for (std::uint32_t v = 0; v < r.values.size(); ++v) {
    const detail::Value& from = r.values[v];
    graph::Value to{.shape = r.shape_of(v),
                    .dtype = r.dtype_of_value(v),
                    .node = from.is_leaf != 0 ? Index{-1} : Index{from.origin}};
    if (from.is_leaf != 0 && r.leaves[from.origin].info != nullptr) {
      to.name = r.leaves[from.origin].info->path();
      to.parameter = true;
    }
    if (const auto named = r.names.find(v); named != r.names.end()) to.name = named->second;
    s.values.push_back(std::move(to));
  }
  for (const detail::Node& from : r.nodes) {
    const detail::Label& label = r.label_of(from);
    graph::Node to{
        .operation = from.operation->name, .path = r.paths[label.path], .step = label.step};
    for (std::uint32_t k = 0; k < from.inputs; ++k)
      to.inputs.push_back(index(r.inputs_of(from)[k]));
    for (std::uint32_t k = 0; k < from.outputs; ++k)
      to.outputs.push_back(Index{from.first_output} + k);
    s.nodes.push_back(std::move(to));
  }
  return s;
}

namespace graph {
namespace {

// A DOT string in quotes. What is not printable ASCII is written out as \xNN, so that any name is
// legal.
std::string in_quotes(std::string_view text) {
  constexpr std::string_view hex = "0123456789abcdef";
  constexpr std::size_t longest = 2000;  // Graphviz gives up at strings of 16 KiB
  std::string out = "\"";
  for (const char c : text.substr(0, longest)) {
    const auto byte = static_cast<unsigned char>(c);
    if (c == '"' || c == '\\')
      (out += '\\') += c;
    else if (c == '\n')
      out += "\\n";
    else if (byte < 0x20 || byte >= 0x7f)
      ((out += "\\\\x") += hex[byte >> 4]) += hex[byte & 15];
    else
      out += c;
  }
  if (text.size() > longest) out += "...";
  return out + "\"";
}

// The operation, its time step, and the names that the user gave to what it makes.
std::string label_of(const Node& n, const Snapshot& s) {
  std::string text = n.operation;
  if (n.step >= 0) text += "\nt=" + std::to_string(n.step);
  for (const Index v : n.outputs)
    if (const Value& made = s.values[static_cast<std::size_t>(v)]; !made.name.empty())
      text += "\n" + made.name + " " + to_string(made.shape);
  return text;
}

// Nodes by module path; "a.b" lies inside "a".
struct Cluster {
  std::map<std::string, Cluster> inside;
  std::vector<std::size_t> nodes;
};

void put(Cluster& root, std::string_view path, std::size_t node) {
  Cluster* at = &root;
  while (!path.empty()) {
    const std::size_t dot = path.find('.');
    at = &at->inside[std::string(path.substr(0, dot))];
    path = dot == std::string_view::npos ? std::string_view() : path.substr(dot + 1);
  }
  at->nodes.push_back(node);
}

void print(std::string& out, const Cluster& cluster, const std::string& path, const Snapshot& s,
           const std::string& indent) {
  for (const std::size_t n : cluster.nodes)
    out +=
        indent + "n" + std::to_string(n) + " [label=" + in_quotes(label_of(s.nodes[n], s)) + "];\n";
  for (const auto& [name, inner] : cluster.inside) {
    const std::string full = path.empty() ? name : path + "." + name;
    out += indent + "subgraph " + in_quotes("cluster_" + full) + " {\n" + indent +
           "  label=" + in_quotes(name) + ";\n";
    print(out, inner, full, s, indent + "  ");
    out += indent + "}\n";
  }
}

}  // namespace

std::string to_dot(const Snapshot& s) {
  std::string out =
      "digraph tape {\n"
      "  rankdir=TB;\n"
      "  graph [fontname=\"Helvetica\", fontsize=11, style=rounded, color=\"#9aa5b1\"];\n"
      "  node [fontname=\"Helvetica\", fontsize=10, shape=box, style=\"rounded,filled\", "
      "fillcolor=\"#eef2f7\", color=\"#52606d\"];\n"
      "  edge [fontname=\"Helvetica\", fontsize=8, color=\"#7b8794\", fontcolor=\"#52606d\"];\n";
  Cluster root;
  for (std::size_t n = 0; n < s.nodes.size(); ++n) put(root, s.nodes[n].path, n);
  print(out, root, {}, s, "  ");
  for (std::size_t v = 0; v < s.values.size(); ++v) {
    const Value& value = s.values[v];
    if (value.node >= 0) continue;
    const std::string shape = std::string(name_of(value.dtype)) + " " + to_string(value.shape);
    out += "  v" + std::to_string(v) +
           " [label=" + in_quotes((value.name.empty() ? "input" : value.name) + "\n" + shape) +
           (value.parameter ? ", shape=cylinder, style=filled, fillcolor=\"#ffe8b3\""
                            : ", shape=oval, style=filled, fillcolor=\"#d3f2e0\"") +
           "];\n";
  }
  for (std::size_t n = 0; n < s.nodes.size(); ++n)
    for (const Index v : s.nodes[n].inputs) {
      if (v < 0) continue;
      const Value& value = s.values[static_cast<std::size_t>(v)];
      out += value.node >= 0 ? "  n" + std::to_string(value.node) : "  v" + std::to_string(v);
      out += " -> n" + std::to_string(n);
      if (value.node >= 0) {
        const std::string label =
            (value.name.empty() ? "" : value.name + " ") + to_string(value.shape);
        out += " [label=" + in_quotes(label) + "]";
      }
      out += ";\n";
    }
  return out + "}\n";
}

std::string to_json(const Snapshot& s) {
  using nlohmann::json;
  json nodes = json::array();
  for (const Node& n : s.nodes)
    nodes.push_back({{"operation", n.operation},
                     {"path", n.path},
                     {"step", n.step},
                     {"inputs", n.inputs},
                     {"outputs", n.outputs}});
  json values = json::array();
  for (const Value& v : s.values)
    values.push_back({{"shape", std::vector<Index>(v.shape.begin(), v.shape.end())},
                      {"dtype", name_of(v.dtype)},
                      {"node", v.node},
                      {"name", v.name},
                      {"parameter", v.parameter}});
  return json({{"nodes", nodes}, {"values", values}})
             .dump(1, ' ', true, json::error_handler_t::replace) +
         "\n";
}

void write(const std::string& path, const Snapshot& snapshot) {
  std::string text;
  if (path.ends_with(".dot"))
    text = to_dot(snapshot);
  else if (path.ends_with(".json"))
    text = to_json(snapshot);
  else
    fail_nowhere("graph", {.given = "file \"" + path + "\"",
                           .needed = "a name that ends in .dot or .json",
                           .hint = "dot -Tsvg graph.dot -o graph.svg draws it"});
  std::ofstream file(path, std::ios::binary);
  file << text;
  file.close();
  if (!file)
    fail_nowhere("graph", {.given = "file \"" + path + "\" cannot be written",
                           .needed = "a writable place",
                           .hint = {}});
}

}  // namespace graph
}  // namespace unroll
