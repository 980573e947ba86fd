"use strict";
// The tree of groups: modules within modules, and for a large graph groups of our own, so that no
// group holds more than a person can look at.
//
//   a box    {box: number, ...}    an op, a parameter or a constant, from the data
//   a group  {children: [...]}     in the order of the forward pass
//
// Each has an `id`, and the group around it as `parent`. A folded group is drawn as one box.

const MOST_CHILDREN = 48; // of a group; more are divided into groups of our own
const MOST_AT_FIRST = 36; // boxes that are visible when the page opens
const SHORTEST_ROW = 12; // children of a group of our own
const FEWEST_REPEATS = 3;
const LONGEST_PERIOD = 24; // children that repeat together

/** The tree of a graph; returns {root, boxes, groups}. */
function treeOf(data) {
  const root = { id: "root", title: "", children: [], parent: null, depth: 0 };
  const modules = data.groups.map((given, number) => ({
    id: `m${number}`, title: given.name || given.kind, kind: given.kind, given,
    children: [], parent: null, token: given.kind,
  }));
  modules.forEach((group) => {
    group.parent = group.given.parent < 0 ? root : modules[group.given.parent];
  });
  modules.forEach(setDepth);
  const boxes = data.boxes.map((given, number) => ({
    id: `b${number}`, box: number, given, title: given.title, uses: [],
    parent: given.group < 0 ? root : modules[given.group],
    token: given.kind === "op" ? given.op : given.kind,
  }));
  boxes.forEach((box) => box.given.inputs.forEach(([source]) => boxes[source].uses.push(box)));
  boxes.forEach(placeWithItsUses);
  placeInputs(root, boxes);
  // Children in the order of the first box inside them.
  const listed = new Set();
  for (const box of boxes) {
    for (let item = box; item !== root && !listed.has(item); item = item.parent) {
      listed.add(item);
      item.parent.children.push(item);
    }
  }
  const groups = new Map([["root", root]]);
  const waiting = [root];
  while (waiting.length) {
    const group = waiting.pop();
    group.children = inGroups(group, groups);
    for (const child of group.children) {
      child.depth = group.depth + 1;
      if (child.children) {
        groups.set(child.id, child);
        waiting.push(child);
      }
    }
  }
  return { root, boxes, groups };
}

function setDepth(group) {
  let depth = 1;
  for (let outer = group.parent; outer.parent; outer = outer.parent) depth += 1;
  group.depth = depth;
}

/** A parameter or constant stands in the innermost group that holds all its uses. */
function placeWithItsUses(box) {
  if (box.given.inputs.length || !box.uses.length || box.given.output) return;
  let around = box.uses[0].parent;
  for (const use of box.uses) around = commonGroup(around, use.parent);
  box.parent = around;
}

/** What a model is applied to stands outside of it. */
function placeInputs(root, boxes) {
  const begun = new Set();
  for (const box of boxes) {
    if (box.given.kind !== "op") continue;
    let outermost = box.parent;
    while (outermost.parent && outermost.parent !== root) outermost = outermost.parent;
    if (outermost === root || begun.has(outermost)) continue;
    begun.add(outermost);
    for (const [source] of box.given.inputs) {
      const given = boxes[source];
      if (given.given.kind === "constant" && given.given.value) given.parent = root;
    }
  }
}

function commonGroup(one, other) {
  while (one !== other) {
    if (one.depth >= other.depth) one = one.parent;
    else other = other.parent;
  }
  return one;
}

/** The children of a group, with repeats and long rows of them put in groups of our own. */
function inGroups(group, groups) {
  let children = group.children;
  if (children.length > MOST_CHILDREN / 2 && !group.ours) {
    children = withRepeats(group, children, groups);
  }
  if (children.length > MOST_CHILDREN) children = inRows(group, children, groups);
  return children;
}

/** Runs such as (Linear, ReLU), (Linear, ReLU), ... become one group, "60 × (Linear, ReLU)". */
function withRepeats(group, children, groups) {
  const tokens = children.map((child) => child.token);
  const found = [];
  for (let at = 0; at < children.length; ) {
    let best = 0;
    let bestPeriod = 0;
    for (let period = 1; period <= LONGEST_PERIOD && at + period < children.length; period += 1) {
      let same = 0;
      while (at + same + period < tokens.length && tokens[at + same] === tokens[at + same + period]) {
        same += 1;
      }
      const times = Math.floor(same / period) + 1;
      if (times >= FEWEST_REPEATS && times * period > best) {
        best = times * period;
        bestPeriod = period;
      }
    }
    if (best >= 6) {
      const run = children.slice(at, at + best);
      found.push(newGroup(group, run, repeatTitle(run, bestPeriod), groups, bestPeriod));
      at += best;
    } else {
      found.push(children[at]);
      at += 1;
    }
  }
  return found;
}

function repeatTitle(run, period) {
  const unit = run.slice(0, period).filter((child) => child.children || child.given.kind === "op");
  const names = unit.map((child) => child.token);
  const shown = names.length > 4 ? [...names.slice(0, 3), "\u2026"] : names;
  const list = names.length === 1 ? shown[0] : `(${shown.join(", ")})`;
  return `${run.length / period} \u00d7 ${list}`;
}

/** Many children become rows, which are divided again if they are long. */
function inRows(group, children, groups) {
  const period = group.repeats || 1;
  const least = Math.max(SHORTEST_ROW, Math.ceil(children.length / MOST_CHILDREN));
  const length = period * Math.ceil(least / period);
  const { first = 0, of = children.length / period } = group;
  const rows = [];
  for (let at = 0; at < children.length; at += length) {
    const run = children.slice(at, at + length);
    const numbers = `${first + at / period + 1} to ${first + (at + run.length) / period} of ${of}`;
    const title = group.repeats ? numbers : titleOfRow(run);
    const row = newGroup(group, run, title, groups, group.repeats);
    if (group.repeats) Object.assign(row, { first: first + at / period, of });
    rows.push(row);
  }
  return rows;
}

function titleOfRow(run) {
  const inner = run.filter((child) => child.children || child.given.kind === "op");
  const names = [...new Set(inner.map((child) => child.token))];
  const listed = names.slice(0, 3).join(", ") + (names.length > 3 ? ", \u2026" : "");
  return names.length ? listed : "parameters and constants";
}

/** A group of our own; `repeats` is the number of children that repeat together, 0 if none do. */
function newGroup(group, children, title, groups, repeats = 0) {
  const made = {
    id: `s${groups.size}`, title, children, parent: group, depth: group.depth + 1, ours: true,
    repeats, token: title,
  };
  groups.set(made.id, made);
  for (const child of children) child.parent = made;
  return made;
}

/** The boxes inside a group, at any depth. */
function boxesIn(group) {
  const found = [];
  const waiting = [group];
  while (waiting.length) {
    const item = waiting.pop();
    if (item.children) waiting.push(...item.children);
    else found.push(item);
  }
  return found.sort((one, other) => one.box - other.box);
}

/** The ids of the groups that are folded at first: open, level by level, while there is room. */
function foldedAtFirst(tree) {
  const folded = new Set(tree.groups.keys());
  folded.delete("root");
  const whole = tree.boxes.length <= MOST_AT_FIRST;
  let visible = tree.root.children.length;
  for (let level = [tree.root]; level.length; ) {
    level = level.flatMap((group) => group.children).filter((child) => child.children);
    if (!whole) level = level.filter((group) => !group.ours && boxesIn(group).length > 4);
    visible += level.reduce((sum, group) => sum + group.children.length - 1, 0);
    if (visible > MOST_AT_FIRST) break;
    for (const group of level) folded.delete(group.id);
  }
  return folded;
}

/** What is drawn for a box: itself, or the outermost folded group around it. */
function shownFor(box, folded) {
  let shown = box;
  for (let group = box.parent; group.parent; group = group.parent) {
    if (folded.has(group.id)) shown = group;
  }
  return shown;
}

/** What is visible: {items, frames, arrows}; frames are the open groups, outermost first. */
function visibleOf(tree, folded) {
  const items = [];
  const frames = [];
  const waiting = [...tree.root.children].reverse();
  while (waiting.length) {
    const item = waiting.pop();
    if (item.children && !folded.has(item.id)) {
      frames.push(item);
      waiting.push(...[...item.children].reverse());
    } else {
      items.push(item);
    }
  }
  const shown = tree.boxes.map((box) => shownFor(box, folded));
  const arrows = new Map();
  for (const box of tree.boxes) {
    for (const [source, label] of box.given.inputs) {
      const [from, to] = [shown[source], shown[box.box]];
      if (from === to) continue;
      const key = `${from.id}>${to.id}`;
      const arrow = arrows.get(key);
      if (arrow) {
        arrow.count += 1;
        if (arrow.label !== label) arrow.label = "";
      } else {
        arrows.set(key, { id: key, from, to, label, count: 1 });
      }
    }
  }
  return { items, frames, arrows: [...arrows.values()], shown };
}
