"use strict";
// The state of the page, and what its controls and keys do with it.

const data = JSON.parse(part("data").textContent);
const tree = treeOf(data);
const stepOfBox = new Map(data.steps.map((step, number) => [step.box, number]));
const camera = new Camera(part("graph"), part("world"));
const world = part("world");

const state = {
  folded: foldedAtFirst(tree),
  visible: null,
  chosen: null, // the id of a box or group
  step: -1, // the number of the step of the backward pass
};

const actions = {
  choose: (id) => choose(id, true),
  toggle,
  isFolded: (id) => state.folded.has(id),
  stepOf: (box) => stepOfBox.get(box.box),
  toStep: (number) => goToStep(number),
};

function itemOf(id) {
  if (id === null) return null;
  return id[0] === "b" ? tree.boxes[Number(id.slice(1))] : tree.groups.get(id);
}

// Drawing

/** Lay the graph out and draw it; `anchor`, an item, stays where it was on the screen. */
function redraw(anchor = null) {
  const before = anchor?.at && { ...anchor.at };
  const corner = (at) => ({ x: at.x, y: at.y - at.height / 2 });
  const focused = world.contains(document.activeElement);
  state.visible = visibleOf(tree, state.folded);
  camera.extent = place(state.visible, tree.root);
  paint(world, state.visible, { costs: Boolean(data.heat) });
  relight();
  if (before) camera.keepAt(corner(before), corner(anchor.at));
  if (focused) world.querySelector('[tabindex="0"]')?.focus({ preventScroll: true });
}

/** Mark what is chosen and what the step is about; the chosen box is the one that Tab reaches. */
function relight() {
  const item = itemOf(state.chosen);
  const shown = item && shownOrFrame(item);
  light(world, shown?.id, litBy(state.step, data, tree, state.folded));
  for (const old of world.querySelectorAll('[tabindex="0"]')) old.setAttribute("tabindex", "-1");
  const reached = shown ?? nextAlong("", null, state.visible);
  drawn(reached?.id)?.setAttribute("tabindex", "0");
}

function drawn(id) {
  return id ? world.querySelector(`[data-id="${id}"]`) : null;
}

/** What is drawn for an item: itself, open or not, or the folded group around it. */
function shownOrFrame(item) {
  return shownFor(item, state.folded);
}

// Choosing, folding

/** Choose an item: unfold what is around it, show it, tell about it. */
function choose(id, focus = false) {
  const item = itemOf(id);
  if (!item) return;
  let folded = false;
  for (let group = item.parent; group?.parent; group = group.parent) {
    folded = state.folded.delete(group.id) || folded;
  }
  state.chosen = id;
  if (folded) redraw();
  else relight();
  fillNode(part("node"), item, data, tree, actions);
  showTab("node");
  if (item.at) camera.reveal(item.children && !state.folded.has(id) ? headOf(item) : item.at);
  if (focus) drawn(id)?.focus({ preventScroll: true });
}

function headOf(frame) {
  const { x, y, width, height } = frame.at;
  return { x, y: y - height / 2 + 11, width: Math.min(width, 200), height: 22 };
}

/** Open a folded group, or close an open one. */
function toggle(id) {
  const group = tree.groups.get(id);
  const opens = state.folded.has(id);
  if (opens) state.folded.delete(id);
  else state.folded.add(id);
  state.chosen = id;
  redraw(group);
  fillNode(part("node"), group, data, tree, actions);
  drawn(id)?.focus({ preventScroll: true });
  say(`${group.title} ${opens ? "open" : "folded"}`);
}

function foldAll() {
  state.folded = new Set([...tree.groups.keys()].filter((id) => id !== "root"));
  const item = itemOf(state.chosen);
  if (item) state.chosen = shownFor(item, state.folded).id;
  redraw();
  camera.fit();
  say("All groups folded");
}

const MOST_UNFOLDED = 1500; // boxes; laying out more takes too long

function unfoldAll() {
  state.folded.clear();
  let count = tree.boxes.length;
  if (count > MOST_UNFOLDED) {
    // Innermost groups stay folded, as many as it takes.
    const inner = [...tree.groups.values()].filter((group) => group.parent);
    inner.sort((one, other) => other.depth - one.depth || other.children.length - one.children.length);
    for (const group of inner) {
      if (count <= MOST_UNFOLDED) break;
      count -= group.children.length - 1;
      state.folded.add(group.id);
    }
  }
  redraw();
  camera.fit();
  say(state.folded.size ? `Unfolded, except ${state.folded.size} groups` : "All groups unfolded");
}

function closeAround() {
  const item = itemOf(state.chosen);
  if (!item) return;
  const shown = shownOrFrame(item);
  const group = shown.children && !state.folded.has(shown.id) ? shown : shown.parent;
  if (group?.parent) toggle(group.id);
}

// The backward pass

/** Show a step; -1 leaves the backward pass. */
function goToStep(number) {
  state.step = Math.max(-1, Math.min(number, data.steps.length - 1));
  const step = data.steps[state.step];
  part("walk-slider").value = state.step + 1;
  part("walk-at").textContent = step ? `${state.step + 1} / ${data.steps.length}` : "not begun";
  part("walk-back").disabled = state.step < 0;
  part("walk-on").disabled = state.step >= data.steps.length - 1;
  fillStep(part("step"), state.step, data, tree, actions);
  relight();
  if (!step) return;
  showTab("step");
  const shown = shownFor(tree.boxes[step.box], state.folded);
  part("walk-slider").setAttribute("aria-valuetext",
    `step ${state.step + 1} of ${data.steps.length}: ${shortened(tree.boxes[step.box].title, 60)}`);
  camera.reveal(shown.at);
}

// Tabs

function showTab(name) {
  for (const each of ["node", "step"]) {
    const tab = part(`tab-${each}`);
    tab.setAttribute("aria-selected", String(each === name));
    tab.tabIndex = each === name ? 0 : -1;
    part(each).hidden = each !== name;
  }
}

// Search

let found = [];
let marked = 0;

/** What a search looks at: the title, op, shape, module and line of a box; the name of a group. */
function wordsOf(item) {
  if (item.words === undefined) {
    const given = item.given ?? {};
    const parts = [item.title, given.op, given.shape, given.module, given.kind, ...(given.line ?? [])];
    item.words = parts.filter(Boolean).join("\n").toLowerCase();
  }
  return item.words;
}

function find(text) {
  const words = text.toLowerCase().split(/\s+/).filter(Boolean);
  const all = [...tree.groups.values()].filter((group) => group.parent).concat(tree.boxes);
  const fits = (item) => words.every((word) => wordsOf(item).includes(word));
  const begins = (item) => (item.title.toLowerCase().startsWith(words[0]) ? 0 : 1);
  found = words.length ? all.filter(fits) : [];
  found = found.map((item) => [begins(item), item]).sort((a, b) => a[0] - b[0]).map((pair) => pair[1]);
  marked = 0;
  listFound(Boolean(words.length));
}

function listFound(open) {
  const shown = found.slice(0, 12).map((item, row) => make("li",
    {
      role: "option", id: `found-${row}`, "aria-selected": String(row === marked),
      onpointerdown: (event) => { event.preventDefault(); take(row); },
    },
    make("b", {}, shortened(item.title, 40)), " ",
    make("span", { class: "quiet" }, shortened(foundDetail(item), 60))));
  const rest = found.length - shown.length;
  if (!shown.length) shown.push(make("li", { class: "quiet" }, "Nothing found"));
  else if (rest > 0) shown.push(make("li", { class: "quiet" }, `and ${rest.toLocaleString("en")} more`));
  part("found").replaceChildren(...shown);
  part("found").hidden = !open;
  part("search").setAttribute("aria-expanded", String(open));
  if (open && found.length) part("search").setAttribute("aria-activedescendant", `found-${marked}`);
  else part("search").removeAttribute("aria-activedescendant");
}

function foundDetail(item) {
  if (item.children) return item.given ? item.given.kind : "group";
  const { shape: size, module, line, kind } = item.given;
  return [kind === "op" ? null : kind, size, module, line?.[0]].filter(Boolean).join(" \u00b7 ");
}

function take(row) {
  const item = found[row];
  if (!item) return;
  part("search").value = "";
  listFound(false);
  choose(item.id, true);
}

part("search").addEventListener("input", (event) => find(event.target.value));
part("search").addEventListener("blur", () => listFound(false));
part("search").addEventListener("focus", (event) => event.target.value && find(event.target.value));
part("search").addEventListener("keydown", (event) => {
  const count = Math.min(found.length, 12);
  if (event.key === "Enter") take(marked);
  else if (event.key === "ArrowDown" && count) marked = (marked + 1) % count;
  else if (event.key === "ArrowUp" && count) marked = (marked + count - 1) % count;
  else if (event.key === "Escape") {
    event.target.value = "";
    found = [];
    listFound(false);
    event.target.blur();
    drawn(state.chosen)?.focus({ preventScroll: true });
  } else return;
  event.preventDefault();
  event.stopPropagation();
  if (event.key.startsWith("Arrow")) listFound(true);
});

// Light and dark

function isDark() {
  const set = document.documentElement.dataset.theme;
  return set ? set === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
}

function showTheme() {
  part("theme").textContent = isDark() ? "Light" : "Dark";
  part("theme").setAttribute("aria-pressed", String(isDark()));
}

function changeTheme() {
  document.documentElement.dataset.theme = isDark() ? "light" : "dark";
  showTheme();
}

// Pointer and keys

part("graph").addEventListener("click", (event) => {
  if (camera.moved) return; // the end of a drag
  const target = event.target.closest("[data-id]");
  if (!target) return;
  openItem(target.dataset.id);
});

/** What a click or Enter does: choose a box, open or close a group. */
function openItem(id) {
  if (itemOf(id).children) toggle(id);
  else choose(id, true);
}

const KEYS = {
  "/": () => part("search").focus(),
  "?": () => part("keys").showModal(),
  "+": () => camera.zoomBy(1.25),
  "=": () => camera.zoomBy(1.25),
  "-": () => camera.zoomBy(0.8),
  0: () => camera.fit(),
  f: foldAll,
  u: unfoldAll,
  t: changeTheme,
  n: () => goToStep(state.step + 1),
  p: () => goToStep(state.step - 1),
  Backspace: closeAround,
  Escape: leave,
};

function leave() {
  if (state.step >= 0) {
    goToStep(-1);
    showTab("node");
  } else {
    state.chosen = null;
    relight();
    fillNode(part("node"), null, data, tree, actions);
    document.activeElement?.blur();
  }
}

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || part("keys").open) return;
  const at = event.target;
  if (at.matches("input[type=search]")) return;
  const key = event.key.length === 1 ? event.key.toLowerCase() : event.key;
  const onGraph = at === document.body || part("graph").contains(at);
  if (onGraph && /^Arrow/.test(key)) {
    const item = itemOf(state.chosen);
    const next = nextAlong(key, item && shownOrFrame(item), state.visible);
    if (next) {
      state.chosen = next.id;
      relight();
      fillNode(part("node"), next, data, tree, actions);
      camera.reveal(next.at);
      drawn(next.id)?.focus({ preventScroll: true });
    }
  } else if (onGraph && (key === "Enter" || key === " ") && at.dataset?.id) {
    openItem(at.dataset.id);
  } else if (KEYS[key] && !(at.matches("input") && key === "Backspace")) {
    KEYS[key]();
  } else return;
  event.preventDefault();
});

for (const [id, act] of Object.entries({
  "fold-all": foldAll,
  "unfold-all": unfoldAll,
  "zoom-in": KEYS["+"],
  "zoom-out": KEYS["-"],
  fit: KEYS[0],
  theme: changeTheme,
  help: KEYS["?"],
  "walk-back": KEYS.p,
  "walk-on": KEYS.n,
  "tab-node": () => showTab("node"),
  "tab-step": () => showTab("step"),
})) {
  part(id).addEventListener("click", act);
}
part("walk-slider").addEventListener("input", (event) => goToStep(Number(event.target.value) - 1));
document.querySelector("[role=tablist]").addEventListener("keydown", (event) => {
  if (event.key !== "ArrowLeft" && event.key !== "ArrowRight") return;
  const other = part("step").hidden ? "step" : "node";
  showTab(other);
  part(`tab-${other}`).focus();
  event.stopPropagation();
});
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", showTheme);

// The start

function legend() {
  const kinds = [["op", "op"], ["op result", "output"], ["parameter", "parameter"],
    ["constant", "constant"]];
  if (data.boxes.some((box) => box.kind === "failed")) kinds.splice(1, 1, ["failed", "failed call"]);
  if (data.boxes.some((box) => box.nan)) kinds.push(["nan", "holds nan"]);
  if (tree.groups.size > 1) kinds.push(["group", "group: click to open"]);
  const entries = kinds.map(([classes, name]) => make("span", {},
    make("i", { class: `swatch ${classes}`, "aria-hidden": "true" }), name));
  if (data.heat) {
    entries.push(make("span", { class: "costs" }, `${data.heat.what}: ${data.heat.low} `,
      make("i", { class: "ramp", "aria-hidden": "true" }), ` ${data.heat.high}`));
  }
  part("legend").replaceChildren(...entries);
}

part("title").textContent = `Graph of ${data.title}`;
part("notes").textContent = data.notes.join(" ");
part("walk").classList.toggle("idle", !data.steps.length);
part("walk-slider").max = data.steps.length;
part("walk-slider").disabled = !data.steps.length;
legend();
showTheme();
redraw();
camera.fit((state.visible.items.find(holdsOutput) ?? state.visible.items[0]).at);
fillNode(part("node"), null, data, tree, actions);
goToStep(-1);
document.body.dataset.ready = "true";
