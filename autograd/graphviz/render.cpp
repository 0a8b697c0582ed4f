#include <unroll/autograd/error.h>
#include <unroll/autograd/graph/write.h>
#include <unroll/autograd/graphviz/detail/copied_process.h>
#include <unroll/autograd/graphviz/detail/read_dot.h>
#include <unroll/autograd/graphviz/detail/roomy_thread.h>
#include <unroll/autograd/graphviz/detail/stable_bytes.h>

#include <clocale>
#include <memory>
#include <mutex>
#include <string_view>

#include <dlfcn.h>
#include <gvc.h>

namespace unroll::graph::detail {
namespace {

// What Graphviz says of the picture in the making, instead of printing it. It passes the kind of a
// message, a colon, and the message in turn; there is no place for data of ours in its call.
std::string* messages = nullptr;

int collect(char* text) {
  if (messages != nullptr && messages->size() < 2000) *messages += text;
  return 0;
}

// Numbers have a point in DOT, whatever the user's language.
class PlainNumbers {
 public:
  PlainNumbers() : old_(uselocale(plain())) {}
  ~PlainNumbers() { uselocale(old_); }
  PlainNumbers(const PlainNumbers&) = delete;
  PlainNumbers& operator=(const PlainNumbers&) = delete;

 private:
  static locale_t plain() {
    static const locale_t c = newlocale(LC_ALL_MASK, "C", nullptr);
    return c;
  }
  locale_t old_;
};

// One for the life of the program: making one loads plug-ins, and freeing it would not unload them.
GVC_t* context() {
  static GVC_t* const one = [] {
    GVC_t* const made = gvContext();
    agseterrf(collect);
    agseterr(AGWARN);
    return made;
  }();
  return one;
}

struct FreeData {
  void operator()(char* data) const { gvFreeRenderData(data); }
};

// Releases of Graphviz differ in the type of the length.
template <class Length>
std::unique_ptr<char, FreeData> call(int (*function)(GVC_t*, graph_t*, const char*, char**,
                                                     Length*),
                                     Agraph_t* graph, const std::string& format,
                                     std::size_t& bytes) {
  char* data = nullptr;
  Length length = 0;
  const int status = function(context(), graph, format.c_str(), &data, &length);
  std::unique_ptr<char, FreeData> result(data);
  bytes = static_cast<std::size_t>(length);
  if (status != 0) result.reset();
  return result;
}

// A picture, or what is wrong with it and what Graphviz says of that.
struct Drawn {
  bool done = false;
  std::string text;
};

Drawn failed(const std::string& what, std::string_view said) {
  while (said.ends_with('\n')) said.remove_suffix(1);
  return {.done = false, .text = what + (said.empty() ? "" : ": " + std::string(said))};
}

// The graph is left as it is: Graphviz 2 frees a rank twice that it made room in for a label.
Drawn draw(const std::string& dot, const std::string& format) {
  const PlainNumbers numbers;
  std::string said;
  messages = &said;
  const std::unique_ptr<std::string*, void (*)(std::string**)> none(
      &messages, [](std::string** m) { *m = nullptr; });
  context();
  agreseterrors();
  Agraph_t* const graph = read_dot(dot);
  if (graph == nullptr) return failed("text that is no DOT", said);
  if (gvLayout(context(), graph, "dot") != 0)
    return failed("a graph that Graphviz cannot lay out", said);
  std::size_t bytes = 0;
  const auto data = call(gvRenderData, graph, format, bytes);
  if (data == nullptr || bytes == 0)
    return failed("a graph that Graphviz cannot draw as " + format, said);
  // It may say so and go on, with arrows left out.
  if (agerrors() >= AGERR) return failed("a graph that Graphviz cannot draw", said);
  return {.done = true, .text = {data.get(), bytes}};
}

// Plug-ins are loaded here, and found there by each copy of the process. Not fonts: the libraries
// for them never give their memory back, which leak checkers report.
void warm_up() {
  static const bool once = [] {
    static_cast<void>(draw("digraph {}", "svg"));
    return true;
  }();
  static_cast<void>(once);
}

// What a leak checker must not be told of, for as long as this lives.
class KnownLeaks {
 public:
  KnownLeaks() { call("__lsan_disable"); }
  ~KnownLeaks() { call("__lsan_enable"); }
  KnownLeaks(const KnownLeaks&) = delete;
  KnownLeaks& operator=(const KnownLeaks&) = delete;

 private:
  static void call(const char* name) {
    if (void* const function = ::dlsym(RTLD_DEFAULT, name); function != nullptr)
      reinterpret_cast<void (*)()>(function)();
  }
};

Drawn draw_here(const std::string& dot, const std::string& format) {
  const KnownLeaks leaks;
  return draw(dot, format);
}

// Graphviz loses some hundred kilobytes for each picture that has frames, frees some memory twice,
// prints, and ends the process where it finds itself in trouble. So each picture is drawn by a copy
// of the process; where none can be had, here. Arguments are by value: the caller's are on the stack
// of a thread that the copy does not have.
Drawn draw_apart(std::string dot, std::string format) {  // NOLINT(performance-*)
  if (!copies_can_allocate()) return draw_here(dot, format);
  warm_up();
  const Outcome outcome = in_copied_process([&] {
    const Drawn drawn = draw(dot, format);
    return (drawn.done ? "+" : "-") + drawn.text;
  });
  switch (outcome.kind) {
    case Outcome::Kind::done:
      return {.done = outcome.text.starts_with('+'), .text = outcome.text.substr(1)};
    case Outcome::Kind::died:
      return failed("a graph that Graphviz cannot draw", outcome.text);
    default:
      return draw(dot, format);
  }
}

}  // namespace

std::string render(const std::string& dot, const std::string& format) {
  if (format != "svg" && format != "png" && format != "pdf")
    fail_nowhere("graph", {.given = "format " + format, .needed = "svg, png or pdf", .hint = {}});
  Drawn drawn = failed("DOT with a zero byte", {});
  if (dot.find('\0') == std::string::npos) {
    // libgvc has global state, and a copy of the process made meanwhile would have half of it.
    static std::mutex one_at_a_time;
    const std::lock_guard lock(one_at_a_time);
    run_with_room([&] { drawn = draw_apart(dot, format); });
  }
  if (!drawn.done)
    fail_nowhere("graph", {.given = drawn.text,
                           .needed = "what Graphviz can draw",
                           .hint = "graph::write(\"graph.dot\", snapshot) writes the text for it"});
  if (format == "svg") return stable_svg(drawn.text);
  return format == "pdf" ? stable_pdf(std::move(drawn.text)) : drawn.text;
}

}  // namespace unroll::graph::detail
