"use strict";
(() => {
  const $ = (id) => document.getElementById(id);
  const data = JSON.parse($("data").textContent);
  const view = $("view");
  const svg = view.querySelector("svg");
  const panel = $("panel");

  // The picture stands in one group, which is moved and scaled.
  const [, , width, height] = svg.getAttribute("viewBox").split(/\s+/).map(Number);
  const world = document.createElementNS("http://www.w3.org/2000/svg", "g");
  world.append(...svg.childNodes);
  svg.append(world);
  for (const name of ["viewBox", "width", "height"]) svg.removeAttribute(name);
  view.classList.add("live");

  const boxes = new Map();  // by id
  for (const box of data.boxes) boxes.set(box.id, { ...box, element: null, from: [], to: [] });
  const arrows = data.arrows.map((arrow) => ({ ...arrow, element: null }));
  for (const arrow of arrows) {
    boxes.get(arrow.from)?.to.push(arrow);
    boxes.get(arrow.to)?.from.push(arrow);
  }
  const name = (box) => box.lines.filter((line) => line !== "").join(", ") || box.id;

  for (const element of world.querySelectorAll("g.node")) {
    const title = element.querySelector("title");
    const box = boxes.get(title?.textContent);
    if (!box) continue;
    box.element = element;
    title.textContent = name(box);
    element.setAttribute("tabindex", "0");
    element.setAttribute("role", "button");
    element.setAttribute("aria-label", name(box));
    element.addEventListener("click", () => select(box.id));
    element.addEventListener("focus", () => { if (element.matches(":focus-visible")) show(element); });
    element.addEventListener("keydown", (event) => {
      if (event.key !== "Enter" && event.key !== " ") return;
      event.preventDefault();
      select(box.id);
    });
  }
  for (const element of world.querySelectorAll("g.edge")) {
    const arrow = arrows[Number(/^a(\d+)$/.exec(element.id)?.[1] ?? -1)];
    if (arrow) arrow.element = element;
    element.querySelector("title")?.remove();
  }
  for (const element of world.querySelectorAll("g.graph > title, g.cluster > title")) element.remove();
  // The page's address names boxes by these ids; a browser would scroll to them.
  for (const element of world.querySelectorAll("[id]")) {
    element.dataset.id = element.id;
    element.removeAttribute("id");
  }
  for (const link of world.querySelectorAll("a")) link.removeAttribute("xlink:title");

  // Zoom and pan

  const at = { scale: 1, x: 0, y: 0 };
  let fitted = true;
  const place = () => {
    world.setAttribute("transform", `translate(${at.x} ${at.y}) scale(${at.scale})`);
    view.scrollTo(0, 0);
  };
  const fit = () => {
    const margin = 12;
    const w = Math.max(1, view.clientWidth - 2 * margin);
    const h = Math.max(1, view.clientHeight - 2 * margin);
    at.scale = Math.min(w / width, h / height, 1.6);
    at.x = (view.clientWidth - width * at.scale) / 2;
    at.y = (view.clientHeight - height * at.scale) / 2;
    fitted = true;
    place();
  };
  const move = (dx, dy) => {
    at.x += dx;
    at.y += dy;
    fitted = false;
    place();
  };
  // Around a point of the view, its middle if none is given.
  const zoom = (factor, x = view.clientWidth / 2, y = view.clientHeight / 2) => {
    const scale = Math.min(20, Math.max(0.01, at.scale * factor));
    at.x = x - (x - at.x) * (scale / at.scale);
    at.y = y - (y - at.y) * (scale / at.scale);
    at.scale = scale;
    fitted = false;
    place();
  };
  const center = (element) => {
    if (at.scale < 0.75) zoom(1 / at.scale);  // so that it can be read
    const inner = element.getBoundingClientRect();
    const outer = view.getBoundingClientRect();
    move((outer.left + outer.right - inner.left - inner.right) / 2,
         (outer.top + outer.bottom - inner.top - inner.bottom) / 2);
  };
  const show = (element) => {
    const inner = element.getBoundingClientRect();
    const outer = view.getBoundingClientRect();
    const inside = inner.left >= outer.left && inner.right <= outer.right && inner.top >= outer.top &&
      inner.bottom <= outer.bottom;
    if (!inside) center(element);
  };

  view.addEventListener("wheel", (event) => {
    event.preventDefault();
    const pixels = event.deltaY * (event.deltaMode === 1 ? 16 : event.deltaMode === 2 ? 400 : 1);
    const strength = event.ctrlKey ? 0.01 : 0.0015;  // with Ctrl: two fingers on a pad
    const area = view.getBoundingClientRect();
    zoom(Math.exp(-Math.max(-400, Math.min(400, pixels)) * strength), event.clientX - area.left,
         event.clientY - area.top);
  }, { passive: false });

  const pointers = new Map();
  let travelled = 0;
  view.addEventListener("pointerdown", (event) => {
    if (event.button !== 0) return;
    if (pointers.size === 0) travelled = 0;
    pointers.set(event.pointerId, { x: event.clientX, y: event.clientY });
  });
  view.addEventListener("pointermove", (event) => {
    const last = pointers.get(event.pointerId);
    if (!last) return;
    const dx = event.clientX - last.x;
    const dy = event.clientY - last.y;
    const other = [...pointers].find(([id]) => id !== event.pointerId)?.[1];
    travelled += Math.hypot(dx, dy);
    pointers.set(event.pointerId, { x: event.clientX, y: event.clientY });
    if (travelled > 4 && !view.classList.contains("dragging")) {
      view.classList.add("dragging");
      // Earlier, a click on a box would go to the view.
      try { view.setPointerCapture(event.pointerId); } catch { /* not held any more */ }
    }
    if (!other) return travelled > 4 ? move(dx, dy) : undefined;
    const before = Math.hypot(last.x - other.x, last.y - other.y);
    const after = Math.hypot(event.clientX - other.x, event.clientY - other.y);
    const area = view.getBoundingClientRect();
    move(dx / 2, dy / 2);
    if (before > 0 && after > 0)
      zoom(after / before, (event.clientX + other.x) / 2 - area.left, (event.clientY + other.y) / 2 - area.top);
  });
  const release = (event) => {
    pointers.delete(event.pointerId);
    if (pointers.size === 0) view.classList.remove("dragging");
  };
  for (const kind of ["pointerup", "pointercancel"]) window.addEventListener(kind, release);
  view.addEventListener("click", (event) => {
    if (travelled > 4) event.stopPropagation();  // the end of a drag
    else if (!event.target.closest("g.node")) select(null);
    travelled = 0;
  }, true);

  $("smaller").addEventListener("click", () => zoom(1 / 1.3));
  $("larger").addEventListener("click", () => zoom(1.3));
  $("fit").addEventListener("click", fit);
  new ResizeObserver(() => { if (fitted) fit(); }).observe(view);
  fit();

  // Details

  const make = (tag, text, parent) => {
    const element = document.createElement(tag);
    element.textContent = text;
    parent.append(element);
    return element;
  };
  let selected = null;
  function select(id, { centered = false, remember = true } = {}) {
    if (selected) {
      selected.element?.classList.remove("selected");
      for (const arrow of [...selected.from, ...selected.to]) arrow.element?.classList.remove("near");
    }
    selected = boxes.get(id) ?? null;
    panel.replaceChildren();
    panel.hidden = !selected;
    if (remember) history.replaceState(null, "", selected ? `#${id}` : location.pathname + location.search);
    if (!selected) return;
    selected.element?.classList.add("selected");
    for (const arrow of [...selected.from, ...selected.to]) arrow.element?.classList.add("near");

    const close = make("button", "×", panel);
    close.type = "button";
    close.className = "close";
    close.setAttribute("aria-label", "Close the details");
    close.addEventListener("click", () => { select(null); view.focus({ preventScroll: true }); });
    make("h2", selected.lines[0] || selected.id, panel);
    for (const line of selected.lines.slice(1)) make("p", line, panel);
    const list = make("dl", "", panel);
    const row = (key, value) => { make("dt", key, list); return make("dd", value, list); };
    for (const { name: key, value } of selected.details) row(key, value);
    const link = make("a", `#${id}`, row("id", ""));
    link.href = `#${id}`;
    link.title = "The address of this page with this box open";
    neighbours("from", selected.from, "from");
    neighbours("to", selected.to, "to");
    if (centered && selected.element) center(selected.element);
  }
  function neighbours(heading, list, end) {
    if (list.length === 0) return;
    make("h3", heading, panel);
    const ul = make("ul", "", panel);
    for (const arrow of list) {
      const other = boxes.get(arrow[end]);
      const button = make("button", name(other) + (arrow.label ? ` · ${arrow.label}` : ""), make("li", "", ul));
      button.type = "button";
      button.addEventListener("click", () => select(other.id, { centered: true }));
    }
  }

  // Search

  const search = $("search");
  let found = [];
  let current = -1;
  for (const box of boxes.values())
    box.text = [box.id, ...box.lines, ...box.frames, ...box.details.flatMap((d) => [d.name, d.value])]
      .join("\n").toLowerCase();
  const tell = () => {
    const several = found.length === 1 ? "1 match" : `${found.length} matches`;
    $("matches").textContent = search.value.trim() === "" ? ""
      : current < 0 ? several : `${current + 1} of ${several}`;
  };
  const find = () => {
    const words = search.value.toLowerCase().split(/\s+/).filter((word) => word !== "");
    found = words.length === 0 ? [] : [...boxes.values()].filter((box) => words.every((w) => box.text.includes(w)));
    current = -1;
    svg.classList.toggle("searching", words.length > 0);
    for (const box of boxes.values()) box.element?.classList.remove("match");
    for (const box of found) box.element?.classList.add("match");
    tell();
  };
  const step = (by) => {
    if (found.length === 0) return;
    current = current < 0 ? (by > 0 ? 0 : found.length - 1) : (current + by + found.length) % found.length;
    select(found[current].id, { centered: true });
    tell();
  };
  search.addEventListener("input", find);
  search.addEventListener("keydown", (event) => {
    if (event.key === "Enter") {
      event.preventDefault();
      step(event.shiftKey ? -1 : 1);
    } else if (event.key === "Escape") {
      search.value = "";
      find();
      view.focus({ preventScroll: true });
    }
  });
  $("finder").addEventListener("submit", (event) => event.preventDefault());
  $("next").addEventListener("click", () => step(1));
  $("previous").addEventListener("click", () => step(-1));

  // Keys, the page's address, light and dark

  const keys = {
    "+": () => zoom(1.3), "=": () => zoom(1.3), "-": () => zoom(1 / 1.3), "−": () => zoom(1 / 1.3), "0": fit,
    "/": () => search.focus(), n: () => step(1), N: () => step(-1), Escape: () => select(null),
    ArrowLeft: () => move(60, 0), ArrowRight: () => move(-60, 0), ArrowUp: () => move(0, 60), ArrowDown: () => move(0, -60),
  };
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.target === search) return;
    if (event.key.startsWith("Arrow") && event.target.closest("#panel")) return;
    if (!Object.hasOwn(keys, event.key)) return;
    event.preventDefault();
    keys[event.key]();
  });

  const follow = () => {
    const id = location.hash.slice(1);
    if (boxes.has(id)) select(id, { centered: true, remember: false });
  };
  window.addEventListener("hashchange", follow);
  follow();

  $("theme").addEventListener("click", () => {
    const root = document.documentElement;
    const dark = root.dataset.theme ? root.dataset.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
    root.dataset.theme = dark ? "light" : "dark";
  });
})();
