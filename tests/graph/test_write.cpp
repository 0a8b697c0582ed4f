// Files in every form, whole or not at all.
#include <unroll/autograd/graph/detail/html.h>
#include <unroll/autograd/graph/diff.h>
#include <unroll/autograd/graph/json.h>

#include <filesystem>

#include <boost/test/unit_test.hpp>
#include <sys/stat.h>

#include "support/error_text.h"
#include "support/temporary_folder.h"

namespace unroll::test {
namespace {

graph::Snapshot record(bool more = false) {
  Tape tape;
  const Tensor x = tape.watch(ones({2, 3}));
  tape.name(x, "features");
  Tensor y = tanh(x * x);
  if (more) y = exp(y);
  const Tensor loss = sum(y);
  tape.name(loss, "loss");
  return tape.snapshot();
}

}  // namespace

BOOST_AUTO_TEST_SUITE(write_graphs)

BOOST_AUTO_TEST_CASE(the_ending_names_the_form) {
  const TemporaryFolder folder;
  const graph::Snapshot s = record();
  for (const char* ending : {"dot", "json", "svg", "png", "pdf", "html", "SVG", "Html"})
    graph::write(folder / ("a." + std::string(ending)), s);
  BOOST_TEST(read_file(folder / "a.dot") == graph::to_dot(s));
  BOOST_TEST(read_file(folder / "a.json") == graph::to_json(s));
  BOOST_TEST(read_file(folder / "a.svg") == graph::detail::render(graph::to_dot(s), "svg"));
  BOOST_TEST((read_file(folder / "a.png") == graph::detail::render(graph::to_dot(s), "png")));
  BOOST_TEST((read_file(folder / "a.pdf") == graph::detail::render(graph::to_dot(s), "pdf")));
  BOOST_TEST(read_file(folder / "a.html").starts_with("<!doctype html>"));
  BOOST_TEST(read_file(folder / "a.SVG") == read_file(folder / "a.svg"));
  BOOST_TEST(read_file(folder / "a.Html") == read_file(folder / "a.html"));
  BOOST_TEST(folder.files() == 8);  // and no temporary one
  for (const std::string format : {"dot", "json", "svg", "png", "pdf", "html"})
    BOOST_TEST((graph::detail::text_of(format, s, {}, graph::detail::linked_renderer) ==
                read_file(folder / ("a." + format))));
}

BOOST_AUTO_TEST_CASE(options_reach_the_picture) {
  const TemporaryFolder folder;
  graph::write(folder / "a.svg", record(), {.theme = graph::Theme::dark, .title = "my title"});
  const std::string svg = read_file(folder / "a.svg");
  BOOST_TEST(svg.find("my title") != std::string::npos);
  graph::write(folder / "b.svg", record());
  BOOST_TEST(read_file(folder / "b.svg") != svg);
}

BOOST_AUTO_TEST_CASE(differences_are_drawn) {
  const TemporaryFolder folder;
  const graph::Difference d = graph::diff(record(), record(true));
  BOOST_TEST(d.added == 1);
  for (const char* ending : {"dot", "svg", "png", "pdf", "html"})
    graph::write(folder / ("a." + std::string(ending)), d);
  BOOST_TEST(read_file(folder / "a.svg").find("+ added") != std::string::npos);
  BOOST_TEST(read_file(folder / "a.html").find("\"value\":\"added\"") != std::string::npos);
  check_text(
      [&] { graph::write(folder / "a.json", d); },
      "[graph] a difference as JSON; needed a picture of it, or the JSON of a snapshot; hint: "
      "graph::write(\"change.svg\", difference), graph::write(\"after.json\", difference.merged)");
  BOOST_TEST(!std::filesystem::exists(folder / "a.json"));
}

BOOST_AUTO_TEST_CASE(a_file_in_no_known_form_is_refused) {
  const auto refused = [](const std::string& path) {
    check_text([&] { graph::write(path, record()); },
               "[graph] file \"" + path + "\"; needed svg, png, pdf, html, dot or json");
  };
  for (const char* path :
       {"", "graph", "graph.gif", "graph.svg.gz", ".svg", "folder.svg/graph", "graph."})
    refused(path);
  check_text([] { graph::detail::text_of("gif", record(), {}, graph::detail::linked_renderer); },
             "[graph] format \"gif\"; needed svg, png, pdf, html, dot or json");
}

BOOST_AUTO_TEST_CASE(what_was_there_stays_where_writing_fails) {
  const TemporaryFolder folder;
  for (const char* ending : {"svg", "html", "dot"}) {
    const std::string path = folder / ("a." + std::string(ending));
    write_file(path, "old");
    // No picture of this: it has no norms.
    BOOST_CHECK_THROW(graph::write(path, record(), {.gradients = true}), Error);
    // Graphviz gives up, or a renderer does.
    const auto breaks = [](const std::string&, const std::string&) -> std::string {
      throw std::runtime_error("broken");
    };
    if (std::string(ending) != "dot")
      BOOST_CHECK_THROW(graph::detail::write(path, record(), {}, breaks), std::runtime_error);
    BOOST_TEST(read_file(path) == "old");
  }
  BOOST_TEST(folder.files() == 3);
}

BOOST_AUTO_TEST_CASE(places_that_cannot_be_written_are_named) {
  const TemporaryFolder folder;
  const std::string needed = "; needed a path that can be written; what was there is as it was";
  check_text(
      [&] { graph::write(folder / "none/a.svg", record()); },
      "[graph] \"" + (folder / "none/a.svg") + "\": No such file or directory (open)" + needed);
  std::filesystem::create_directory(folder / "folder.svg");
  check_text([&] { graph::write(folder / "folder.svg", record()); },
             "[graph] \"" + (folder / "folder.svg") + "\": Is a directory (open)" + needed);
  write_file(folder / "file", "");
  check_text([&] { graph::write(folder / "file/a.svg", record()); },
             "[graph] \"" + (folder / "file/a.svg") + "\": Not a directory (open)" + needed);
}

BOOST_AUTO_TEST_CASE(a_file_keeps_its_mode_and_a_link_its_target) {
  const TemporaryFolder folder;
  write_file(folder / "real.svg", "old");
  ::chmod((folder / "real.svg").c_str(), 0640);
  std::filesystem::create_symlink(folder / "real.svg", folder / "link.svg");
  graph::write(folder / "link.svg", record());
  BOOST_TEST(std::filesystem::is_symlink(folder / "link.svg"));
  BOOST_TEST(read_file(folder / "real.svg").starts_with("<?xml"));
  struct stat status = {};
  BOOST_TEST(::stat((folder / "real.svg").c_str(), &status) == 0);
  BOOST_TEST((status.st_mode & 0777U) == 0640U);
}

BOOST_AUTO_TEST_CASE(a_page_has_the_same_bytes_every_time) {
  const TemporaryFolder folder;
  graph::write(folder / "a.html", record(true));
  graph::write(folder / "b.html", record(true));
  const std::string page = read_file(folder / "a.html");
  BOOST_TEST(page == read_file(folder / "b.html"));
  // Nothing is fetched: no address but those that name the format of SVG.
  for (std::size_t at = page.find("http"); at != std::string::npos; at = page.find("http", at + 1))
    BOOST_TEST(
        (page.substr(at, 18) == "http://www.w3.org/" || page.substr(at, 10) == "http-equiv"));
  for (const char* word : {" src=", "@import", "url(", "fetch(", "<link"})
    BOOST_TEST(page.find(word) == std::string::npos, word);
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace unroll::test
