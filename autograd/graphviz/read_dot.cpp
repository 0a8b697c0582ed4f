#include <unroll/autograd/graphviz/detail/read_dot.h>

#include <algorithm>
#include <deque>
#include <memory>
#include <string_view>
#include <unordered_map>

namespace unroll::graph::detail {
namespace {

// Names have even numbers, things without a name odd ones.
struct Names {
  IDTYPE number_of(const char* name) {
    const auto [at, is_new] = numbers.try_emplace(name, IDTYPE{2} * names.size());
    if (is_new) names.push_back(at->first);
    return at->second;
  }
  std::unordered_map<std::string, IDTYPE> numbers;
  std::deque<std::string> names;
  IDTYPE nameless = 1;
};

// Releases of Graphviz differ in the integers that these functions give and take.
template <class Result, class... Rest>
void set_map(Result (*&map)(void*, int, char*, IDTYPE*, Rest...)) {
  map = [](void* state, int, char* name, IDTYPE* number, Rest... create) -> Result {
    auto& names = *static_cast<Names*>(state);
    if (name == nullptr) {
      if (!(... || create)) return 0;
      *number = names.nameless;
      names.nameless += 2;
      return 1;
    }
    if (!(... || create)) {
      const auto at = names.numbers.find(name);
      if (at == names.numbers.end()) return 0;
      *number = at->second;
      return 1;
    }
    *number = names.number_of(name);
    return 1;
  };
}

template <class... Arguments>
void set_print(char* (*&print)(void*, Arguments...)) {
  print = [](void* state, Arguments... arguments) -> char* {
    auto& names = *static_cast<Names*>(state);
    IDTYPE number = 0;  // the last argument
    ((number = static_cast<IDTYPE>(arguments)), ...);
    return number % 2 == 0 ? names.names[number / 2].data() : nullptr;
  };
}

template <class Result, class... Arguments>
void set_none(Result (*&function)(Arguments...)) {
  function = [](Arguments...) { return Result(); };
}

Agiddisc_t numbering() {
  Agiddisc_t result = {};
  result.open = [](Agraph_t*, Agdisc_t*) -> void* { return std::make_unique<Names>().release(); };
  result.close = [](void* state) { const std::unique_ptr<Names> gone(static_cast<Names*>(state)); };
  set_map(result.map);
  set_none(result.alloc);  // numbers given by the caller: there are none
  set_none(result.free);
  set_print(result.print);
  set_none(result.idregister);
  return result;
}

// At most a line, which is as Graphviz does it.
int read_some(void* rest, char* buffer, int size) {
  auto& text = *static_cast<std::string_view*>(rest);
  const std::size_t line = std::min(text.find('\n'), text.size() - 1) + 1;
  const std::size_t bytes = std::min(line, static_cast<std::size_t>(size));
  text.copy(buffer, bytes);
  text.remove_prefix(bytes);
  return static_cast<int>(bytes);
}

}  // namespace

Agraph_t* read_dot(const std::string& dot) {
  static Agiddisc_t by_order = numbering();
  static Agiodisc_t from_text = [] {
    Agiodisc_t result = AgIoDisc;
    result.afread = read_some;
    return result;
  }();
  Agdisc_t disciplines = {};
  disciplines.id = &by_order;
  disciplines.io = &from_text;
  // What is left over of the last text, a line break at its end, would be read before this one.
  std::string_view rest;
  static_cast<void>(agread(&rest, &disciplines));
  rest = dot;
  agreadline(1);
  return agread(&rest, &disciplines);
}

}  // namespace unroll::graph::detail
