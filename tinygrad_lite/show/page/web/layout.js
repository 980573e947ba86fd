"use strict";
// Where everything stands. dagre places the boxes in rows, sources above their uses, with as few
// crossings as it finds; an open group is a frame around its children.

const TITLE_FONT = "600 13px system-ui, sans-serif";
const DETAIL_FONT = "11px system-ui, sans-serif";
const LONGEST_TITLE = 34; // characters; the panel tells the rest
const LONGEST_DETAIL = 40;
const MOST_DETAILS = 5; // lines under the title

const ruler = document.createElement("canvas").getContext("2d");

function widthOf(text, font) {
  ruler.font = font;
  return ruler.measureText(text).width;
}

/** The lines of a box, and its size; kept, since they never change. */
function measure(item) {
  if (item.size) return item.size;
  const title = shortened(item.title || " ", LONGEST_TITLE);
  const [longest, most] = item.given?.kind === "failed" ? [70, 16] : [LONGEST_DETAIL, MOST_DETAILS];
  const details = (item.children ? detailsOfGroup(item) : item.given.details)
    .slice(0, most)
    .map((line) => shortened(line, longest));
  const widths = [
    widthOf(title, TITLE_FONT) + (item.children ? 18 : 0),
    ...details.map((line) => widthOf(line, DETAIL_FONT)),
  ];
  const room = item.children || item.given.kind !== "parameter" ? 24 : 36; // round ends
  item.size = {
    title,
    details,
    width: Math.max(64, Math.ceil(Math.max(...widths) + room)),
    height: 27 + 14 * details.length,
  };
  return item.size;
}

/** What a folded group says: its kind, how much is inside, and the shape that leaves it. */
function detailsOfGroup(group) {
  const inside = boxesIn(group);
  const ops = inside.filter((box) => box.given.kind === "op");
  const lines = [];
  if (group.given && group.given.kind !== group.title) lines.push(group.given.kind);
  lines.push(ops.length === 1 ? "1 op" : `${ops.length.toLocaleString("en")} ops`);
  if (group.given?.parameters) lines.push(group.given.parameters);
  const last = ops.at(-1)?.given;
  if (last?.shape && !group.ours) lines.push(last.shape);
  return lines;
}

/**
 * Give each visible item, frame and arrow its position; returns the extent of it all.
 *
 * Each open group is laid out on its own, innermost first, and is then one box of the group around
 * it. An arrow that leaves or enters a group passes its edge at a port: for the layout inside, a
 * node without a size, in a row of its own at the bottom or the top.
 */
function place(visible, root) {
  const groups = [root, ...visible.frames];
  for (const group of groups) group.inner = { ports: new Map(), edges: new Map() };
  for (const arrow of visible.arrows) arrow.path = pathOf(arrow);
  for (const group of [...groups].reverse()) layOut(group, group === root);
  root.at = { left: 0, top: 0 };
  for (const group of groups) {
    const { left, top } = group.at;
    for (const child of group.children) {
      child.at.left = left + child.at.x - child.at.width / 2;
      child.at.top = top + child.at.y - child.at.height / 2;
      child.at.x += left;
      child.at.y += top;
    }
    for (const edge of group.inner.edges.values()) {
      edge.points = edge.points.map(({ x, y }) => ({ x: x + left, y: y + top }));
      edge.middle = { x: edge.middle.x + left, y: edge.middle.y + top };
    }
  }
  for (const arrow of visible.arrows) {
    arrow.points = arrow.path.flatMap((edge) => edge.points);
    arrow.labelAt = arrow.label ? arrow.path.find((edge) => edge.label).middle : null;
  }
  return extentOf(visible);
}

/** The edges that an arrow consists of, one in each group that it passes. */
function pathOf(arrow) {
  const common = commonGroup(arrow.from.parent, arrow.to.parent);
  const leaving = `from ${arrow.from.id}`;
  let [from, to] = [arrow.from, arrow.to];
  const [out, into] = [[], []];
  for (; from.parent !== common; from = from.parent) {
    out.push(edgeIn(from.parent, from.id, portOf(from.parent, leaving, "bottom")));
  }
  for (; to.parent !== common; to = to.parent) {
    into.unshift(edgeIn(to.parent, portOf(to.parent, leaving, "top"), to.id));
  }
  const between = edgeIn(common, from.id, to.id);
  between.label ||= arrow.label;
  between.ends = [from !== arrow.from, to !== arrow.to]; // whether these are ports of groups
  return [...out, between, ...into];
}

function portOf(group, name, side) {
  const id = `${side} ${name}`;
  if (!group.inner.ports.has(id)) group.inner.ports.set(id, side);
  return id;
}

function edgeIn(group, from, to) {
  const id = `${from}>${to}`;
  const { edges } = group.inner;
  if (!edges.has(id)) edges.set(id, { from, to, label: "", ends: [false, false] });
  return edges.get(id);
}

/** Lay out what is in one group, from its left upper corner; sets the size of the group. */
function layOut(group, isRoot) {
  const { ports, edges } = group.inner;
  const graph = new dagre.graphlib.Graph();
  graph.setGraph({ rankdir: "TB", nodesep: 20, ranksep: 28, edgesep: 10 });
  for (const child of group.children) {
    const { width, height } = child.inner && child.at ? child.at : measure(child);
    graph.setNode(child.id, { width, height });
  }
  for (const id of ports.keys()) graph.setNode(id, { width: 1, height: 1 });
  const rows = rowsOf(group, edges, ports);
  const last = Math.max(0, ...rows.values());
  for (const { from, to, label } of edges.values()) {
    const length = ports.has(from) ? rows.get(to) + 1 : ports.has(to) ? last - rows.get(from) + 1 : 1;
    const size = label ? { width: widthOf(label, DETAIL_FONT) + 8, height: 14, labelpos: "c" } : {};
    const straight = rows.get(from) === 0 && !ports.has(from) ? 1 : 3;
    graph.setEdge(from, to, { minlen: Math.max(1, length), weight: straight, ...size });
  }
  dagre.layout(graph);
  const nodes = group.children.map((child) => graph.node(child.id));
  const across = [...nodes, ...[...ports.keys()].map((id) => graph.node(id))];
  const points = [...edges.values()].flatMap(({ from, to }) => graph.edge(from, to).points);
  const left = Math.min(...across.map((at) => at.x - at.width / 2), ...points.map((at) => at.x));
  const right = Math.max(...across.map((at) => at.x + at.width / 2), ...points.map((at) => at.x));
  const top = Math.min(...nodes.map((at) => at.y - at.height / 2));
  const bottom = Math.max(...nodes.map((at) => at.y + at.height / 2));
  const padding = isRoot ? 0 : 14;
  const head = isRoot ? 0 : 32;
  const width = isRoot ? right - left
    : Math.max(right - left + 2 * padding, widthOf(frameTitle(group), TITLE_FONT) + 36);
  const height = bottom - top + head + padding;
  const dx = (width - (right - left)) / 2 - left;
  const dy = head - top;
  for (const child of group.children) {
    const { x, y, width: w, height: h } = graph.node(child.id);
    child.at = { x: x + dx, y: y + dy, width: w, height: h };
  }
  for (const edge of edges.values()) {
    const found = graph.edge(edge.from, edge.to);
    const moved = found.points.map(({ x, y }) => ({ x: x + dx, y: y + dy }));
    if (ports.has(edge.from)) moved[0] = { x: moved[0].x, y: 0 };
    if (ports.has(edge.to)) moved[moved.length - 1] = { x: moved.at(-1).x, y: height };
    const short = moved.length === 3; // then its middle lies on the way between the centres
    if (edge.ends[0]) moved.splice(0, short ? 2 : 1);
    if (edge.ends[1]) moved.splice(short && !edge.ends[0] ? -2 : -1);
    edge.points = moved;
    edge.middle = { x: (found.x ?? 0) + dx, y: (found.y ?? 0) + dy };
  }
  group.at = { ...group.at, width, height };
}

/** The row of each child of a group, from 0, if all stand as high as they can. */
function rowsOf(group, edges, ports) {
  const rows = new Map(group.children.map((child) => [child.id, 0]));
  const inner = [...edges.values()].filter(({ from, to }) => !ports.has(from) && !ports.has(to));
  for (let round = 0, moved = true; moved && round < group.children.length; round += 1) {
    moved = false;
    for (const { from, to } of inner) {
      if (rows.get(to) > rows.get(from)) continue;
      rows.set(to, rows.get(from) + 1);
      moved = true;
    }
  }
  return rows;
}

function frameTitle(frame) {
  const kind = frame.given && frame.given.kind !== frame.title ? ` \u00b7 ${frame.given.kind}` : "";
  return shortened(frame.title + kind, LONGEST_TITLE + 12);
}

function extentOf(visible) {
  const all = [...visible.items, ...visible.frames].map((item) => item.at);
  if (!all.length) return { left: 0, top: 0, width: 1, height: 1 };
  let [left, top, right, bottom] = [Infinity, Infinity, -Infinity, -Infinity];
  for (const { x, y, width, height } of all) {
    left = Math.min(left, x - width / 2);
    right = Math.max(right, x + width / 2);
    top = Math.min(top, y - height / 2);
    bottom = Math.max(bottom, y + height / 2);
  }
  return { left: left - 16, top: top - 16, width: right - left + 32, height: bottom - top + 32 };
}
