// Files that need no Graphviz; this program is not linked with it.
#include <unroll/autograd/graph/json.h>

#include <filesystem>

#include <boost/test/unit_test.hpp>

#include "support/error_text.h"
#include "support/temporary_folder.h"

namespace unroll::test {
namespace {

graph::Snapshot record() {
  Tape tape;
  static_cast<void>(tanh(tape.watch(ones({2, 3}))));
  return tape.snapshot();
}

}  // namespace

BOOST_AUTO_TEST_SUITE(graph_files)

BOOST_AUTO_TEST_CASE(text_needs_no_graphviz) {
  const TemporaryFolder folder;
  graph::write(folder / "a.dot", record());
  graph::write(folder / "a.json", record());
  BOOST_TEST(read_file(folder / "a.dot") == graph::to_dot(record()));
  BOOST_TEST(read_file(folder / "a.json") == graph::to_json(record()));
  BOOST_CHECK_THROW(graph::write(folder / "none/a.dot", record()), Error);
}

BOOST_AUTO_TEST_CASE(pictures_without_graphviz_name_the_cure) {
  const TemporaryFolder folder;
  for (const std::string ending : {"svg", "png", "pdf", "html"}) {
    const std::string path = folder / ("a." + ending);
    check_text(
        [&] { graph::write(path, record()); },
        "[graph] file \"" + path +
            "\", but this program is not linked with Graphviz; needed the target unroll::graph, "
            "which is built where Debian's package libgraphviz-dev is installed; hint: "
            "target_link_libraries(my_model PRIVATE unroll::graph); without it .dot and .json "
            "can be written");
    BOOST_TEST(!std::filesystem::exists(path));
  }
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace unroll::test
