"use strict";
// What is told of the chosen box: where it came from, its rule, its numbers.

/** Fill the panel for a box or a group, or for the whole graph; `actions` are those of page.js. */
function fillNode(panel, item, data, tree, actions) {
  const parts = item ? aboutItem(item, data, tree, actions) : aboutGraph(data, tree, actions);
  panel.replaceChildren(...parts.filter(Boolean));
  panel.scrollTop = 0;
}

// The whole graph

const MOST_LISTED = 40; // links in a list

function aboutGraph(data, tree, actions) {
  const of = (kind) => tree.boxes.filter((box) => box.given.kind === kind);
  const counts = ["op", "parameter", "constant"].map((kind) => counted(of(kind).length, kind));
  const output = tree.boxes.find((box) => box.given.output);
  const steps = data.steps.length;
  return [
    make("h2", {}, data.title),
    make("p", {}, `A graph of ${counts[0]}, ${counts[1]} and ${counts[2]}. Choose a box to see where ` +
      "its number comes from."),
    steps ? make("p", {}, make("button", { class: "action", onclick: () => actions.toStep(0) },
      "Walk through the backward pass")) : null,
    ...data.notes.map((note) => make("p", { class: "note" }, note)),
    listOf("Output", output ? [output] : [], actions),
    listOf("Parameters", of("parameter"), actions),
    listOf("Inputs", of("constant").filter((box) => box.given.shape), actions),
  ];
}

function counted(number, noun) {
  return `${number.toLocaleString("en")} ${noun}${number === 1 ? "" : "s"}`;
}

/** A section with links to boxes, each with its shape. */
function listOf(title, boxes, actions) {
  if (!boxes.length) return null;
  const rows = boxes.slice(0, MOST_LISTED).map((box) =>
    make("li", {}, link(box, actions), " ", make("span", { class: "quiet" }, box.given.shape ?? "")));
  return section(title, make("ul", { class: "links" }, ...rows, more(boxes.length - rows.length)));
}

function more(count) {
  return count > 0 ? make("li", { class: "quiet" }, `and ${count.toLocaleString("en")} more`) : null;
}

function aboutItem(item, data, tree, actions) {
  return item.children ? aboutGroup(item, tree, actions) : aboutBox(item, data, tree, actions);
}

// A group

function aboutGroup(group, tree, actions) {
  const inside = boxesIn(group).filter((box) => box.given.kind === "op");
  const rows = [];
  if (group.given) rows.push(["module", group.given.kind]);
  if (group.given?.parameters) rows.push(["holds", group.given.parameters]);
  rows.push(["ops inside", inside.length.toLocaleString("en")]);
  const links = group.children.slice(0, MOST_LISTED).map((child) =>
    make("li", {}, link(child, actions)));
  return [
    make("h2", {}, group.title),
    trail(group, actions),
    facts(rows),
    make("p", {}, make("button", { class: "action", onclick: () => actions.toggle(group.id) },
      actions.isFolded(group.id) ? "Open this group" : "Close this group")),
    section("Inside",
      make("ul", { class: "links" }, ...links, more(group.children.length - links.length))),
  ];
}

// A box

function aboutBox(box, data, tree, actions) {
  const given = box.given;
  const rule = given.rule === undefined ? null : data.ops[given.rule];
  const step = actions.stepOf(box);
  return [
    make("h2", {}, given.title, " ", make("span", { class: `tag ${given.kind}` }, given.kind)),
    trail(box, actions),
    facts(factsOf(given)),
    given.kind === "failed" ? make("pre", { class: "code failed" }, given.details.join("\n")) : null,
    given.line?.[1] ? make("pre", { class: "code", "aria-label": "The line" }, given.line[1]) : null,
    step === undefined ? null : make("p", {}, make("button",
      { class: "action", onclick: () => actions.toStep(step) }, "Its step in the backward pass")),
    neighbours(box, tree, actions),
    rule && section("Formula", ...formulas(rule.formulas), rule.doc && make("p", {}, rule.doc)),
    rule?.rules.length ? section("Derivative", ...formulas(rule.rules), legendOfRules()) : null,
    rule?.source && folded("Source of backward", make("pre", { class: "code" }, rule.source),
      make("p", { class: "quiet" }, rule.where)),
    arrays("Value", given.value, data, false),
    arrays("Gradient", given.gradient, data, true),
    arrays(".grad, as backward left it", given.accumulated, data, true),
    given.check && section("Checked by finite differences", make("p", { class: `check ${given.check[0]}` },
      make("b", {}, { agrees: "\u2713 agrees", differs: "\u2717 differs", none: "not checked" }[given.check[0]]),
      `${given.check[0] === "none" ? ": " : ". "}${given.check[1]}`)),
    given.memory && section("Kept for the backward pass", ...memory(given.memory)),
    given.heat && section("Cost", make("p", {}, given.heat[1])),
  ];
}

function factsOf(given) {
  const rows = [];
  if (given.kind === "op" && given.op !== given.title) rows.push(["op", given.op]);
  if (given.shape) rows.push(["shape", given.shape]);
  if (given.dtype) rows.push(["dtype", given.dtype]);
  for (const option of given.options ?? []) rows.push(["option", option]);
  if (given.module) rows.push(["module", given.module]);
  if (given.line) rows.push(["line", given.line[0]]);
  if (given.output && given.kind !== "failed") rows.push(["", "the output of this graph"]);
  return rows;
}

function neighbours(box, tree, actions) {
  const rows = box.given.inputs.map(([source, label, name]) =>
    [name || "input", tree.boxes[source], label]);
  const listed = (title, entries) => entries.length ? make("div", {}, make("h4", {}, title),
    make("ul", { class: "links" }, ...entries)) : null;
  const inputs = rows.map(([name, source, label]) => make("li", {},
    make("span", { class: "name" }, name), link(source, actions), label ? ` ${label}` : ""));
  const users = [...new Set(box.uses)];
  const uses = users.slice(0, MOST_LISTED).map((use) => make("li", {}, link(use, actions)));
  if (users.length > uses.length) uses.push(more(users.length - uses.length));
  if (!inputs.length && !uses.length) return null;
  return make("div", { class: "neighbours" }, listed("Inputs", inputs), listed("Used by", uses));
}

function formulas(list) {
  return list.map((each) => make("div", { class: "rule" }, formula(each)));
}

function legendOfRules() {
  return make("p", { class: "quiet" }, "A bar marks a cotangent: the derivative of the output of " +
    "this graph with respect to what is under it.");
}

/** A section with the arrays of a value or a gradient, by their numbers in the data. */
function arrays(title, found, data, signed) {
  if (!found) return null;
  if (found.missing) return section(title, make("p", { class: "missing" }, found.missing));
  const parts = found.arrays.map(([name, number]) => {
    const array = data.arrays[number];
    if (!array) return make("p", { class: "missing" }, `${name}: no gradient reaches it`);
    const said = [name, array.shape, array.dtype, array.bytes].filter(Boolean);
    return make("div", {}, make("p", { class: "quiet" }, said.join("  \u00b7  ")),
      arrayView(array, signed));
  });
  return section(title, ...parts);
}

function memory({ total, items, note }) {
  const rows = items.map((cells) => make("tr", {}, ...cells.map((cell) => make("td", {}, cell))));
  return [
    make("p", {}, make("b", {}, total)),
    items.length ? make("table", { class: "kept" }, make("tbody", {}, ...rows)) : null,
    note && make("p", { class: "quiet" }, note),
  ];
}

// Parts of a panel

function section(title, ...children) {
  return make("section", { "aria-label": title }, make("h3", {}, title), ...children);
}

function folded(title, ...children) {
  return make("details", {}, make("summary", {}, title), ...children);
}

function facts(rows) {
  return make("dl", { class: "facts" }, ...rows.flatMap(([name, value]) =>
    [make("dt", {}, name), make("dd", {}, value)]));
}

function link(item, actions) {
  return make("button", { class: "link", onclick: () => actions.choose(item.id) },
    shortened(item.title, 60));
}

/** The groups around an item, outermost first. */
function trail(item, actions) {
  const around = [];
  for (let group = item.parent; group?.parent; group = group.parent) around.unshift(group);
  if (!around.length) return null;
  const parts = around.flatMap((group) => [link(group, actions), " \u203a "]);
  return make("p", { class: "trail" }, "in ", ...parts.slice(0, -1));
}
