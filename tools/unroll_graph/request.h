#pragma once

#include <unroll/autograd/graph.h>

#include <stdexcept>
#include <string>

// What a call of unroll-graph asks for, and the parts that answer.
namespace graph_tool {

using unroll::Index;

constexpr int fine = 0, differs = 1, misused = 2;

// What the user can put right.
struct Misuse : std::runtime_error {
  using std::runtime_error::runtime_error;
};

enum class Question { picture, stats, flow, diff, same };

struct Request {
  Question question = Question::picture;
  std::string input = {};   // "-": standard input
  std::string other = {};   // of diff and same
  std::string output = {};  // empty: standard output
  std::string format = {};  // "dot", "json", "svg", "png", "pdf", "html", "csv" or "text"
  unroll::graph::DrawOptions draw = {};
  unroll::graph::CompareOptions compare = {};
};

// -1 where the program is to go on, else its exit status. Throws Misuse.
int parse(int argc, char** argv, Request& request);

// Throws where it cannot be read.
unroll::graph::Snapshot read(const std::string& path);

struct Answer {
  std::string bytes = {};
  int status = fine;
};
Answer answer(const Request& request);

// The whole file or nothing; standard output where there is no path.
void put(const std::string& path, const std::string& bytes);

std::string stats(const unroll::graph::Snapshot& snapshot);
std::string flow_table(const unroll::graph::GradientFlow& flow);

}  // namespace graph_tool
