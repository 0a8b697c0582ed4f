#include "support/operation_fixture.h"

#include <set>
#include <sstream>

#include <boost/test/unit_test.hpp>

#include "support/fixture_file.h"
#include "support/numeric.h"

namespace unroll::test {
namespace {

Options parse(const std::string& text) {
  Options options;
  std::istringstream words(text);
  for (std::string word; words >> word;) {
    const auto equals = word.find('=');
    options[word.substr(0, equals)] = word.substr(equals + 1);
  }
  return options;
}

Inputs inputs_of(const FixtureFile& file, const std::string& name) {
  Inputs in;
  for (auto at = file.tensors.lower_bound(name + "/");
       at != file.tensors.end() && at->first.starts_with(name + "/"); ++at) {
    const std::string last = at->first.substr(name.size() + 1);
    if (last != "y" && last != "w" && !last.starts_with("grad.")) in[last] = at->second;
  }
  return in;
}

void check_case(const FixtureFile& file, const std::string& name, const Inputs& in,
                const Options& options, const Call& call) {
  for (const bool differentiable : {false, true}) {
    Tape tape;
    Inputs x = in;
    std::vector<std::string> watched;
    std::vector<Tensor> leaves;
    for (auto& [key, value] : x) {
      if (!file.tensors.contains(name + "/grad." + key)) continue;
      watched.push_back(key);
      leaves.push_back(value = tape.watch(value));
    }
    const Tensor y = call(x, options);
    BOOST_TEST(all_close(y, file[name + "/y"], {.relative = 4e-15, .absolute = 1e-15}));
    const auto g =
        tape.gradient(y, leaves, {.upstream = file[name + "/w"], .differentiable = differentiable});
    for (std::size_t i = 0; i < leaves.size(); ++i)
      BOOST_TEST_CONTEXT("gradient of " << watched[i]
                                        << (differentiable ? ", recorded" : ", in place"))
    BOOST_TEST(all_close(detach(g[i]), file[name + "/grad." + watched[i]],
                         {.relative = 1e-12, .absolute = 1e-15}));
  }
}

}  // namespace

std::vector<Index> numbers(const std::string& text) {
  std::vector<Index> all;
  std::istringstream parts(text);
  for (std::string part; std::getline(parts, part, ',');) all.push_back(std::stoll(part));
  return all;
}

int check_operations(const std::string& path, const std::map<std::string, Call>& calls,
                     bool (*skip)(const std::string& operation, const Inputs&)) {
  const FixtureFile file = read_fixture(path);
  std::set<std::string> seen;
  int cases = 0;
  for (const auto& [name, options] : file.metadata) {
    const auto slash = name.find('/');
    if (slash == std::string::npos) continue;
    const std::string operation = name.substr(0, slash);
    const Inputs in = inputs_of(file, name);
    if (skip != nullptr && skip(operation, in)) continue;
    const auto call = calls.find(operation);
    BOOST_REQUIRE_MESSAGE(call != calls.end(),
                          operation << " is in the file, but not in this test");
    seen.insert(operation);
    ++cases;
    BOOST_TEST_CONTEXT(name << " " << options)
    check_case(file, name, in, parse(options), call->second);
  }
  for (const auto& [operation, call] : calls) BOOST_TEST(seen.contains(operation), operation);
  return cases;
}

}  // namespace unroll::test
