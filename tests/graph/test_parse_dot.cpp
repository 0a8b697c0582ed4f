// Graphviz's own parser reads every picture and finds in it what the picture has.
#include <map>
#include <memory>
#include <string>

#include <boost/test/unit_test.hpp>
#include <cgraph.h>

#include "support/drawn_graphs.h"

namespace unroll::test {
namespace {

struct Close {
  void operator()(Agraph_t* g) const { agclose(g); }
};

std::string attribute(void* object, const char* name) {
  const char* text = agget(object, const_cast<char*>(name));
  return text == nullptr ? "" : text;
}

// Clusters at any depth, without recursion.
int clusters(Agraph_t* root) {
  int count = 0;
  std::vector<Agraph_t*> open{root};
  while (!open.empty()) {
    Agraph_t* const g = open.back();
    open.pop_back();
    for (Agraph_t* s = agfstsubg(g); s != nullptr; s = agnxtsubg(s)) {
      ++count;
      open.push_back(s);
    }
  }
  return count;
}

}  // namespace

BOOST_AUTO_TEST_SUITE(parse_dot)

BOOST_AUTO_TEST_CASE(graphviz_reads_what_was_meant) {
  for (const DrawnGraph& drawn : drawn_graphs()) {
    BOOST_TEST_CONTEXT(drawn.name) {
      const graph::Picture& p = drawn.picture;
      const std::unique_ptr<Agraph_t, Close> g(agmemread(graph::to_dot(p, drawn.options).c_str()));
      BOOST_REQUIRE(g);
      BOOST_TEST(static_cast<std::size_t>(agnnodes(g.get())) == p.boxes.size());
      BOOST_TEST(static_cast<std::size_t>(agnedges(g.get())) == p.arrows.size());
      BOOST_TEST(static_cast<std::size_t>(clusters(g.get())) == p.frames.size());
      std::map<std::string, const graph::Arrow*> by_id;
      for (std::size_t a = 0; a < p.arrows.size(); ++a)
        by_id["a" + std::to_string(a)] = &p.arrows[a];
      for (Agnode_t* n = agfstnode(g.get()); n != nullptr; n = agnxtnode(g.get(), n)) {
        BOOST_TEST(attribute(n, "id") == agnameof(n));
        BOOST_TEST(aghtmlstr(agget(n, const_cast<char*>("label"))) != 0);
        for (Agedge_t* e = agfstout(g.get(), n); e != nullptr; e = agnxtout(g.get(), e)) {
          const graph::Arrow& a = *by_id.at(attribute(e, "id"));
          const bool turned = attribute(e, "dir") == "back";
          const auto id = [&](Index b) { return p.boxes[static_cast<std::size_t>(b)].id; };
          BOOST_TEST(id(turned ? a.to : a.from) == agnameof(agtail(e)));
          BOOST_TEST(id(turned ? a.from : a.to) == agnameof(aghead(e)));
        }
      }
    }
  }
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace unroll::test
