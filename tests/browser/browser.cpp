#include "browser.h"

#include <cstdio>
#include <cstdlib>
#include <memory>
#include <stdexcept>

#include <boost/test/unit_test.hpp>

#include "support/temporary_folder.h"

namespace unroll::test {
namespace {

// Before everything else in the page.
constexpr const char* watch = R"js(<script>
window.noticed = [];
addEventListener("error", (event) => noticed.push(String(event.message)));
addEventListener("unhandledrejection", (event) => noticed.push(String(event.reason)));
addEventListener("securitypolicyviolation", (event) => noticed.push("policy: " + event.blockedURI));
for (const kind of ["error", "warn"])
  console[kind] = (...words) => noticed.push(words.join(" "));
</script>
)js";

constexpr const char* functions = R"js(
const $ = (id) => document.getElementById(id);
const view = $("view");
const node = (id) => view.querySelector(`g.node[data-id="${id}"]`);
const place = () => {
  const [x, y, scale] = view.querySelector("svg > g").getAttribute("transform").match(/-?\d[\d.]*(e-?\d+)?/g).map(Number);
  return { x, y, scale };
};
const middle = (element) => {
  const r = element.getBoundingClientRect();
  return { x: (r.left + r.right) / 2, y: (r.top + r.bottom) / 2 };
};
const pointer = (kind, target, x, y, id = 1) => target.dispatchEvent(new PointerEvent(kind,
  { bubbles: true, cancelable: true, clientX: x, clientY: y, pointerId: id, button: 0, buttons: 1 }));
const click = (target) => {
  const { x, y } = middle(target);
  const under = document.elementFromPoint(x, y) ?? target;  // what a finger would hit
  pointer("pointerdown", under, x, y);
  pointer("pointerup", under, x, y);
  under.dispatchEvent(new MouseEvent("click", { bubbles: true, cancelable: true, clientX: x, clientY: y }));
};
const key = (target, name, more = {}) => target.dispatchEvent(
  new KeyboardEvent("keydown", { key: name, bubbles: true, cancelable: true, ...more }));
const type = (text) => { $("search").value = text; $("search").dispatchEvent(new Event("input", { bubbles: true })); };
const details = () => Object.fromEntries([...$("panel").querySelectorAll("dt")].map(
  (dt) => [dt.textContent, dt.nextElementSibling.textContent]));
)js";

struct ExitWhereThereIsNone {
  ExitWhereThereIsNone() {
    if (*UNROLL_CHROMIUM != '\0') return;
    std::puts("skipped: Chromium is not installed, so the pages of graphs were not opened");
    std::exit(77);
  }
};
BOOST_TEST_GLOBAL_FIXTURE(ExitWhereThereIsNone);

std::string output_of(const std::string& command) {
  const std::unique_ptr<std::FILE, int (*)(std::FILE*)> pipe(::popen(command.c_str(), "r"),
                                                             ::pclose);
  if (pipe == nullptr) throw std::runtime_error("cannot run " + command);
  std::string text;
  for (int c = std::fgetc(pipe.get()); c != EOF; c = std::fgetc(pipe.get()))
    text += static_cast<char>(c);
  return text;
}

// %41 is A.
std::string decoded(const std::string& text) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i)
    if (text[i] == '%') {
      out += static_cast<char>(std::stoi(text.substr(i + 1, 2), nullptr, 16));
      i += 2;
    } else {
      out += text[i];
    }
  return out;
}

std::string with(std::string page, const std::string& before, const std::string& what) {
  const std::size_t at = page.rfind(before);
  if (at == std::string::npos) throw std::runtime_error("the page has no " + before);
  return page.insert(at, what);
}

}  // namespace

nlohmann::json visit(const std::string& page, const std::string& script, const Visit& how) {
  const TemporaryFolder folder;
  const std::string runner =
      std::string("<script>(async () => {\n") + functions +
      "\nlet result = null;\ntry { result = await (async () => {" + script +
      "})(); } catch (error) { noticed.push(`the script: ${error.stack}`); }\n"
      "const loaded = performance.getEntriesByType('resource').map((entry) => entry.name);\n"
      "const pre = document.createElement('pre');\n"
      "pre.textContent = '[[' + encodeURIComponent(JSON.stringify({ result, errors: noticed, "
      "loaded })) + ']]';\n"
      "document.body.append(pre);\n})();</script>\n";
  std::string told = with(page, "</body>", runner);
  const std::size_t head = told.find("<meta charset");
  BOOST_REQUIRE(head != std::string::npos);
  told.insert(head, watch);
  write_file(folder / "page.html", told);
  const std::string text = output_of(
      std::string("timeout 300 \"") + UNROLL_CHROMIUM +
      "\" --headless --no-sandbox --disable-gpu --disable-dev-shm-usage --user-data-dir=\"" +
      (folder / "profile") + "\" --window-size=" + std::to_string(how.width) + "," +
      std::to_string(how.height) + " --blink-settings=preferredColorScheme=" +
      (how.dark ? "0" : "1") + " --virtual-time-budget=10000 --dump-dom \"file://" +
      (folder / "page.html") + how.fragment + "\" 2> \"" + (folder / "log") + "\"");
  const std::size_t begin = text.rfind("<pre>[[");
  const std::size_t end = text.rfind("]]</pre>");
  if (begin == std::string::npos || end == std::string::npos)
    throw std::runtime_error("the browser gave no result:\n" + read_file(folder / "log"));
  return nlohmann::json::parse(decoded(text.substr(begin + 7, end - begin - 7)));
}

}  // namespace unroll::test
