"use strict";
// Pan and zoom, by pointer, wheel, pinch or key; and the way from box to box along the arrows.

const MOST_ZOOM = 3;
const READABLE = 0.42; // zoom: below it, the text in the boxes is too small
const LEGEND = 36; // pixels at the bottom that the legend takes

class Camera {
  /** The view of `world` through the element `stage`; x and y are where the origin stands. */
  constructor(stage, world) {
    this.stage = stage;
    this.world = world;
    this.extent = { left: 0, top: 0, width: 1, height: 1 };
    [this.x, this.y, this.zoom] = [0, 0, 1];
    this.pointers = new Map();
    this.moved = false;
    stage.addEventListener("wheel", (event) => this.wheel(event), { passive: false });
    stage.addEventListener("pointerdown", (event) => this.down(event));
    stage.addEventListener("pointermove", (event) => this.drag(event));
    for (const end of ["pointerup", "pointercancel"]) {
      stage.addEventListener(end, (event) => this.pointers.delete(event.pointerId));
    }
  }

  show() {
    this.world.setAttribute("transform", `translate(${this.x} ${this.y}) scale(${this.zoom})`);
  }

  /** The least zoom: a little less than shows everything. */
  get leastZoom() {
    return Math.min(1, 0.7 * this.fittingZoom());
  }

  fittingZoom() {
    const { width, height } = this.stage.getBoundingClientRect();
    return Math.min(width / this.extent.width, (height - LEGEND) / this.extent.height, 1.25);
  }

  /** Show the whole graph; with `at`, not so small that nothing can be read, and there the end. */
  fit(at = null) {
    const { width, height } = this.stage.getBoundingClientRect();
    const whole = this.fittingZoom();
    this.zoom = at && whole < READABLE ? 0.6 : whole;
    const { left, top } = this.extent;
    const tooLarge = this.zoom > whole;
    const x = tooLarge ? at.x : left + this.extent.width / 2;
    this.x = width / 2 - x * this.zoom;
    this.y = tooLarge
      ? height - LEGEND - 12 - (at.y + at.height / 2) * this.zoom
      : (height - LEGEND) / 2 - (top + this.extent.height / 2) * this.zoom;
    this.show();
  }

  zoomBy(factor, x, y) {
    const { width, height } = this.stage.getBoundingClientRect();
    const at = { x: x ?? width / 2, y: y ?? height / 2 };
    const zoom = Math.min(MOST_ZOOM, Math.max(this.leastZoom, this.zoom * factor));
    this.x = at.x - ((at.x - this.x) * zoom) / this.zoom;
    this.y = at.y - ((at.y - this.y) * zoom) / this.zoom;
    this.zoom = zoom;
    this.show();
  }

  wheel(event) {
    event.preventDefault();
    const bounds = this.stage.getBoundingClientRect();
    const pixels = event.deltaMode === 1 ? 16 * event.deltaY : event.deltaY;
    this.zoomBy(Math.exp(-pixels / 400), event.clientX - bounds.left, event.clientY - bounds.top);
  }

  down(event) {
    if (event.pointerType === "mouse" && event.button !== 0) return;
    this.pointers.set(event.pointerId, { x: event.clientX, y: event.clientY });
    if (this.pointers.size === 1) this.moved = false;
  }

  /** One pointer drags the graph, two of them pinch it. */
  drag(event) {
    const before = this.pointers.get(event.pointerId);
    if (!before) return;
    const now = { x: event.clientX, y: event.clientY };
    const [dx, dy] = [now.x - before.x, now.y - before.y];
    if (!this.moved && Math.hypot(dx, dy) < 4) return; // still a click
    if (!this.moved) this.stage.setPointerCapture(event.pointerId);
    this.moved = true;
    if (this.pointers.size === 2) {
      const other = [...this.pointers].find(([id]) => id !== event.pointerId)[1];
      const bounds = this.stage.getBoundingClientRect();
      const span = (from) => Math.hypot(from.x - other.x, from.y - other.y) || 1;
      const middle = { x: (now.x + other.x) / 2, y: (now.y + other.y) / 2 };
      this.x += dx / 2;
      this.y += dy / 2;
      this.zoomBy(span(now) / span(before), middle.x - bounds.left, middle.y - bounds.top);
    } else {
      this.x += dx;
      this.y += dy;
      this.show();
    }
    this.pointers.set(event.pointerId, now);
  }

  /** Move so that an item is in sight, in the middle if it was not. */
  reveal({ x, y, width, height }) {
    const bounds = this.stage.getBoundingClientRect();
    const [left, top] = [this.x + (x - width / 2) * this.zoom, this.y + (y - height / 2) * this.zoom];
    const inside = left > 8 && top > 8 && left + width * this.zoom < bounds.width - 8 &&
      top + height * this.zoom < bounds.height - 8;
    if (inside && this.zoom >= 0.35) return;
    this.zoom = Math.max(this.zoom, 0.6);
    this.x = bounds.width / 2 - x * this.zoom;
    this.y = bounds.height / 2 - y * this.zoom;
    this.show();
  }

  /** Keep an item where it stood on the screen, after a new layout. */
  keepAt(before, after) {
    this.x += (before.x - after.x) * this.zoom;
    this.y += (before.y - after.y) * this.zoom;
    this.show();
  }
}

/** The item that an arrow key leads to from `item`; undefined if there is none. */
function nextAlong(key, item, visible) {
  if (!item) return visible.items.find((each) => holdsOutput(each)) ?? visible.items[0];
  const nearest = (items) => [...new Set(items)].filter((each) => each !== item).sort((one, other) =>
    Math.abs(one.at.x - item.at.x) - Math.abs(other.at.x - item.at.x))[0];
  if (key === "ArrowUp") {
    const sources = visible.arrows.filter((arrow) => arrow.to === item).map((arrow) => arrow.from);
    const ops = sources.filter((each) => each.children || each.given.inputs.length);
    return nearest(ops.length ? ops : sources);
  }
  if (key === "ArrowDown") {
    return nearest(visible.arrows.filter((arrow) => arrow.from === item).map((arrow) => arrow.to));
  }
  const side = key === "ArrowLeft" ? -1 : 1;
  const beside = visible.items.filter((each) => each !== item && side * (each.at.x - item.at.x) > 0);
  const distance = (each) => Math.abs(each.at.x - item.at.x) + 4 * Math.abs(each.at.y - item.at.y);
  return beside.sort((one, other) => distance(one) - distance(other))[0];
}
