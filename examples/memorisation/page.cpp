#include "page.h"

#include <cstdio>

#include <nlohmann/json.hpp>

namespace {

// Text inside <script> may not close it.
std::string as_script(const nlohmann::json& json) {
  std::string text = json.dump(-1, ' ', true, nlohmann::json::error_handler_t::replace);
  std::string safe;
  for (const char c : text) safe += c == '<' ? "\\u003c" : std::string(1, c);
  return safe;
}

// Shares of the largest in each row, in thousandths.
nlohmann::json thousandths(const Dependence& d) {
  nlohmann::json rows = nlohmann::json::array();
  for (const auto& row : d.norms) {
    double most = 0;
    for (const double x : row) most = std::max(most, x);
    nlohmann::json shares = nlohmann::json::array();
    for (const double x : row) shares.push_back(most > 0 ? static_cast<int>(1000 * x / most) : 0);
    rows.push_back(std::move(shares));
  }
  return rows;
}

constexpr const char* head = R"html(<!doctype html>
<html lang="en"><meta charset="utf-8"><title>What a prediction depends on</title>
<style>
body { font: 15px/1.5 sans-serif; margin: 2em auto; max-width: 62em; padding: 0 1em; color: #1b2733; background: #fff; }
pre { font: 15px/1.7 monospace; white-space: pre-wrap; border: 1px solid #c5ced8; border-radius: 6px; padding: 0.8em; }
span { cursor: pointer; border-radius: 2px; }
span.here { outline: 2px solid #c2410c; }
span.later { color: #9aa5b1; }
span.unseen::before { content: attr(data-sign); color: #9aa5b1; }
h2 { margin-bottom: 0.2em; } p { margin: 0.3em 0; }
</style>
<h1>What a prediction depends on</h1>
<p>Click a character: the model has read up to it and predicts the next one. The darker a character before
it, the more the prediction depends on it: the norm of ∂(logit of the predicted character)/∂(input at that
character), relative to the largest. The arrow keys move.</p>
<div id="cells"></div>
<script>
const data = )html";

constexpr const char* tail = R"html(;
const cells = document.getElementById('cells');
const shown = data.cells.map((cell) => {
  const section = document.createElement('section');
  const title = document.createElement('h2');
  title.textContent = cell.name + ': ' + cell.nats.toFixed(3) + ' nats a character, looks back ' +
      cell.reach.toFixed(1) + ' characters on average';
  const says = document.createElement('p');
  const text = document.createElement('pre');
  const letters = data.characters.map((c, t) => {
    const span = document.createElement('span');
    if (c === '\n' || c === ' ') {
      span.className = 'unseen';
      span.dataset.sign = c === ' ' ? '' : '⏎';
    }
    span.textContent = c;
    span.onclick = () => mark(t);
    text.appendChild(span);
    return span;
  });
  section.append(title, says, text);
  cells.appendChild(section);
  return {cell, says, letters};
});
let at = data.marked;
const name = (c) => c === '\n' ? 'a new line' : c === ' ' ? 'a space' : '“' + c + '”';
function mark(t) {
  at = Math.max(0, Math.min(data.characters.length - 1, t));
  for (const {cell, says, letters} of shown) {
    const next = at + 1 < data.characters.length ? name(data.characters[at + 1]) : 'the end';
    says.textContent = 'predicts ' + name(cell.expected[at]) + ', the text has ' + next;
    letters.forEach((span, s) => {
      span.classList.toggle('here', s === at);
      span.classList.toggle('later', s > at);
      const share = s <= at ? cell.rows[at][s] / 1000 : 0;
      span.style.background = s <= at ? `rgba(31, 78, 140, ${0.85 * share})` : '';
      span.style.color = share > 0.55 ? '#fff' : '';
      span.title = s <= at ? (100 * share).toFixed(1) + ' % of the largest' : '';
    });
  }
}
document.addEventListener('keydown', (e) => {
  if (e.key === 'ArrowRight') mark(at + 1);
  else if (e.key === 'ArrowLeft') mark(at - 1);
});
mark(at);
</script>
</html>
)html";

}  // namespace

std::string page(const std::vector<std::string>& characters, const std::vector<Dependence>& cells,
                 std::size_t marked) {
  nlohmann::json data = {{"characters", characters}, {"marked", marked}};
  for (const Dependence& d : cells)
    data["cells"].push_back({{"name", d.cell},
                             {"nats", d.nats},
                             {"reach", d.reach()},
                             {"expected", d.expected},
                             {"rows", thousandths(d)}});
  return head + as_script(data) + tail;
}
