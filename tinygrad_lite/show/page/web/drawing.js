"use strict";
// The boxes and arrows, as SVG. A box is a button: it can be clicked, focused and read aloud.

/** Draw everything that is visible into `world`. */
function paint(world, visible, look) {
  const frames = visible.frames.map((frame) => paintFrame(frame));
  const arrows = visible.arrows.map((arrow) => paintArrow(arrow));
  const items = visible.items.map((item) => paintBox(item, look));
  world.replaceChildren(
    shape("g", { class: "frames" }, ...frames),
    shape("g", { class: "arrows", "aria-hidden": "true" }, ...arrows),
    shape("g", { class: "boxes" }, ...items),
  );
}

function paintFrame(frame) {
  const { x, y, width, height } = frame.at;
  const [left, top] = [x - width / 2, y - height / 2];
  const name = frameTitle(frame);
  const handle = shape(
    "g",
    {
      class: "handle", role: "button", tabindex: "-1", "data-id": frame.id, "aria-expanded": "true",
      "aria-label": `Group ${name}, open`,
    },
    shape("rect", { x: left, y: top, width, height: 22, rx: 8 }),
    shape("text", { x: left + 10, y: top + 15 }, `\u2212 ${name}`),
  );
  return shape(
    "g",
    { class: `frame depth-${frame.depth % 3}` },
    shape("rect", { class: "edge", x: left, y: top, width, height, rx: 8 }),
    handle,
  );
}

function paintBox(item, look) {
  const { x, y, width, height } = item.at;
  const { title, details } = measure(item);
  const kind = item.children ? "group" : item.given.kind;
  const cost = look.costs ? costOf(item) : null;
  const classes = ["box", kind];
  if (holdsOutput(item)) classes.push("result");
  if (cost) classes.push("costly");
  if (holds(item, (given) => given.check?.[0] === "differs")) classes.push("wrong");
  const nan = holds(item, (given) => given.nan);
  const body = { x: -width / 2, y: -height / 2, width, height };
  body.rx = kind === "parameter" ? height / 2 : kind === "constant" ? 2 : 7;
  const top = -height / 2;
  const parts = [];
  if (kind === "group") {
    parts.push(shape("rect", { ...body, x: body.x + 4, y: body.y + 4, class: "under" }));
  }
  parts.push(shape("rect", { ...body, class: "body" }));
  if (cost) {
    const heat = shape("rect", { ...body, class: "heat" });
    heat.style.fillOpacity = cost.share.toFixed(3);
    parts.push(heat);
  }
  parts.push(shape("text", { class: "title", y: top + 18 }, kind === "group" ? `+ ${title}` : title));
  details.forEach((line, row) => {
    parts.push(shape("text", { class: "detail", y: top + 33 + 14 * row }, line));
  });
  if (nan) parts.push(shape("circle", { class: "nan", cx: width / 2 - 4, cy: top + 4, r: 6 }));
  const told = [item.title, cost?.text, nan ? "holds nan" : null].filter(Boolean).join(": ");
  return shape(
    "g",
    {
      class: classes.join(" "), transform: `translate(${x} ${y})`, role: "button", tabindex: "-1",
      "data-id": item.id, "aria-expanded": kind === "group" ? "false" : null,
      "aria-label": spoken(item, kind, cost, nan),
    },
    shape("title", {}, told),
    ...parts,
  );
}

function spoken(item, kind, cost, nan) {
  const { details } = measure(item);
  const what = kind === "group" ? "Group, folded: " : kind === "op" ? "" : `${kind} `;
  const parts = [what + shortened(item.title, 80), ...details, cost?.text, nan ? "holds nan" : null];
  return parts.filter(Boolean).join(", ");
}

/** Whether this is true of a box, or of one inside a group. */
function holds(item, isTrue) {
  return (item.children ? boxesIn(item) : [item]).some((box) => isTrue(box.given));
}

function holdsOutput(item) {
  return holds(item, (given) => given.output);
}

/** The colour of a cost: that of a box, or for a group the highest inside it. */
function costOf(item) {
  const boxes = item.children ? boxesIn(item) : [item];
  const heats = boxes.map((box) => box.given.heat).filter(Boolean);
  if (!heats.length) return null;
  const [share, text] = heats.reduce((most, heat) => (heat[0] > most[0] ? heat : most));
  return { share: 0.85 * share, text: item.children ? `up to ${text}` : text };
}

function paintArrow(arrow) {
  const parts = [shape("path", { d: curve(arrow.points), "marker-end": "url(#tip)" })];
  if (arrow.labelAt) {
    parts.push(shape("text", { x: arrow.labelAt.x, y: arrow.labelAt.y + 4 }, arrow.label));
  }
  return shape("g", { class: "arrow", "data-from": arrow.from.id, "data-to": arrow.to.id }, ...parts);
}

/** A smooth line near the points: quadratic curves from middle to middle. */
function curve(points) {
  const at = ({ x, y }) => `${x.toFixed(1)} ${y.toFixed(1)}`;
  const middle = (a, b) => ({ x: (a.x + b.x) / 2, y: (a.y + b.y) / 2 });
  let path = `M${at(points[0])}`;
  for (let i = 1; i < points.length - 1; i += 1) {
    const end = i === points.length - 2 ? points[i + 1] : middle(points[i], points[i + 1]);
    path += ` Q${at(points[i])} ${at(end)}`;
  }
  return points.length === 2 ? `${path} L${at(points[1])}` : path;
}

/** Mark the chosen item, and the item and arrows of a step of the backward pass. */
function light(world, chosen, step) {
  for (const old of world.querySelectorAll(".chosen, .current, .lit")) {
    old.classList.remove("chosen", "current", "lit");
    old.removeAttribute("aria-current");
  }
  for (const path of world.querySelectorAll("path[marker-start]")) {
    path.removeAttribute("marker-start");
    path.setAttribute("marker-end", "url(#tip)");
  }
  const mark = (id, name) => {
    const element = id && world.querySelector(`[data-id="${id}"]`);
    if (element) element.classList.add(name);
    return element;
  };
  mark(chosen, "chosen");
  if (!step) return;
  mark(step.at, "current")?.setAttribute("aria-current", "step");
  for (const arrow of world.querySelectorAll(`.arrow[data-to="${step.at}"]`)) {
    if (!step.to.has(arrow.dataset.from)) continue;
    arrow.classList.add("lit"); // a gradient runs against the arrow
    const path = arrow.querySelector("path");
    path.removeAttribute("marker-end");
    path.setAttribute("marker-start", "url(#tip-lit)");
    arrow.parentNode.append(arrow);
  }
}
