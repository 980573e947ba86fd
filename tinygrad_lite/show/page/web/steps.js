"use strict";
// The backward pass, one op at a time: what arrives, the rule, what leaves for each input.

/** Fill the panel for a step, by its number from 0. */
function fillStep(panel, number, data, tree, actions) {
  panel.replaceChildren(...aboutStep(number, data, tree, actions));
  panel.scrollTop = 0;
}

function aboutStep(number, data, tree, actions) {
  const step = data.steps[number];
  if (!step) return [make("p", {}, data.steps.length
    ? "The slider below walks through the backward pass, from the output to the leaves."
    : "This graph has no backward pass: nothing in it was computed by an op that was recorded.")];
  const box = tree.boxes[step.box];
  const rule = data.ops[box.given.rule];
  return [
    make("p", { class: "quiet" }, `Step ${number + 1} of ${data.steps.length}`),
    make("h2", {}, link(box, actions)),
    trail(box, actions),
    section("Arrives", make("p", {}, step.from),
      ...step.arriving.map(([name, given]) => brief(given, name))),
    ...step.leaving.map((given) => aboutLeaving(given, rule, tree, actions)),
    rule?.source ? folded("Source of backward", make("pre", { class: "code" }, rule.source)) : null,
  ].filter(Boolean);
}

/** What goes to one input: the rule, the result, the sum over a broadcast, the sum of paths. */
function aboutLeaving(given, rule, tree, actions) {
  const local = rule?.rules.find((each) => each[2] === given.rule);
  const parts = [
    make("p", {}, "to ", given.to < 0 ? "an op that is left out here" : link(tree.boxes[given.to], actions)),
    local ? make("div", { class: "rule" }, formula(local)) : null,
    brief(given.pulled),
    given.note ? make("p", { class: "quiet" }, given.note) : null,
  ];
  if (given.broadcast) {
    const { from, to, why, sum } = given.broadcast;
    parts.push(make("div", { class: "happens broadcast" }, make("b", {}, "A broadcast is undone. "), why,
      make("span", { class: "shapes" }, `${from} \u2192 ${to}`), brief(sum)));
  }
  if (given.paths) {
    const { number, count, parts: terms, sum } = given.paths;
    parts.push(make("div", { class: "happens paths" },
      make("b", {}, `Paths add: this is number ${number} of ${count}. `),
      "The chain rule sums what arrives from every use.",
      ...terms.map((term, i) => make("div", { class: "term" },
        make("span", { class: "name" }, `${i ? "+" : "\u00a0"} ${term.from}`), brief(term))),
      make("div", { class: "term total" }, make("span", { class: "name" },
        number === count ? "= the whole gradient" : "= so far"), brief(sum))));
  }
  return section(`Leaves for ${given.name}`, ...parts);
}

function brief(given, name = "") {
  if (!given) return null;
  return make("p", { class: "brief" }, name ? make("span", { class: "name" }, name) : null,
    given.shape ? make("span", { class: "shape" }, given.shape) : null, " ", given.text ?? "");
}

/** What a step lights up: {at, to}, the ids of what is drawn for the op and for its inputs. */
function litBy(number, data, tree, folded) {
  const step = data.steps[number];
  if (!step) return null;
  const shown = (box) => shownFor(tree.boxes[box], folded).id;
  return {
    at: shown(step.box),
    to: new Set(step.leaving.filter((given) => given.to >= 0).map((given) => shown(given.to))),
  };
}
