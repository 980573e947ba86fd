"use strict";
// An array, shown: its elements if they are few, otherwise statistics, a histogram, and a heat map
// or images where it is small enough.

const NAN_COLOUR = [214, 31, 214];
const INFINITE_COLOUR = [0, 200, 200];
const WIDEST = 360; // pixels of a heat map on the screen

/** An array as an element. */
function arrayView(array, signed) {
  const parts = [];
  if (array.full !== undefined) {
    parts.push(make("pre", { class: "elements" }, array.full));
  } else {
    const cells = array.stats.map(([name, value]) =>
      make("div", { class: /^(nan|inf)/.test(name) ? "bad" : null },
        make("dt", {}, name), make("dd", {}, value)));
    parts.push(make("dl", { class: "stats" }, ...cells));
  }
  if (array.histogram) parts.push(histogram(array.histogram));
  if (array.map) parts.push(heatMap(array, signed));
  if (array.note) parts.push(make("p", { class: "quiet" }, array.note));
  return make("div", { class: "array" }, ...parts);
}

function histogram({ low, high, counts }) {
  const most = Math.max(...counts, 1);
  const bars = counts.map((count, bin) => {
    const height = count ? Math.max(1.5, (52 * count) / most) : 0;
    return shape("rect", { x: bin * 10 + 0.5, y: 54 - height, width: 9, height },
      shape("title", {}, `${count.toLocaleString("en")} elements`));
  });
  const width = counts.length * 10;
  const zero = low < 0 && high > 0 ? (width * -low) / (high - low) : null;
  const drawing = shape(
    "svg",
    {
      class: "histogram", viewBox: `0 0 ${width} 55`, preserveAspectRatio: "none", role: "img",
      "aria-label": `Histogram from ${figure(low)} to ${figure(high)}; most in one bin: ${most}`,
    },
    ...bars,
    zero === null ? null : shape("line", { x1: zero, x2: zero, y1: 0, y2: 55 }),
  );
  const ends = make("div", { class: "ends" }, make("span", {}, figure(low)),
    make("span", {}, "histogram"), make("span", {}, figure(high)));
  return make("div", {}, drawing, ends);
}

/** A number with four digits, as Python's %.4g writes it. */
function figure(value) {
  if (Number.isNaN(value)) return "nan";
  if (!Number.isFinite(value)) return value > 0 ? "inf" : "-inf";
  if (value === 0) return "0";
  const size = Math.abs(value);
  const text = size >= 1e4 || size < 1e-4 ? value.toExponential(3) : value.toPrecision(4);
  return text.replace(/\.?0+(e|$)/, "$1").replace(/e\+?(-?)(\d)$/, "e$10$2").replace("e+", "e");
}

/** The numbers of a map, from base64. */
function decoded({ code, data, low, high }) {
  const text = atob(data);
  const bytes = Uint8Array.from(text, (letter) => letter.charCodeAt(0));
  if (code === "u1") return Float64Array.from(bytes, (byte) => low + ((high - low) * byte) / 255);
  const view = new DataView(bytes.buffer);
  const size = code === "f4" ? 4 : 8;
  return Float64Array.from({ length: bytes.length / size }, (_, i) =>
    size === 4 ? view.getFloat32(4 * i, true) : view.getFloat64(8 * i, true));
}

/** A heat map, or images side by side; whoever points at it is told the number. */
function heatMap(array, signed) {
  const { tiles, rows, cols, channels, caption, low, high, image } = array.map;
  const numbers = decoded(array.map);
  const perRow = tiles === 1 ? 1 : Math.ceil(Math.sqrt((tiles * rows) / cols));
  const down = Math.ceil(tiles / perRow);
  const gap = tiles === 1 ? 0 : 1;
  const [width, height] = [perRow * (cols + gap) - gap, down * (rows + gap) - gap];
  const canvas = make("canvas", { width, height, class: "map", role: "img",
    "aria-label": `${caption}, from ${figure(low)} to ${figure(high)}` });
  const drawing = canvas.getContext("2d");
  const pixels = drawing.createImageData(width, height);
  const colour = image && !signed ? grey(low, high) : low < 0 ? diverging(low, high) : rising(low, high);
  const area = rows * cols;
  const seen = new Set();
  const eachPixel = (tile, row, col, put) => {
    const first = tile * channels * area + row * cols + col;
    const x = (tile % perRow) * (cols + gap) + col;
    const y = Math.floor(tile / perRow) * (rows + gap) + row;
    put(4 * (y * width + x), first);
  };
  for (let tile = 0; tile < tiles; tile += 1) {
    for (let row = 0; row < rows; row += 1) {
      for (let col = 0; col < cols; col += 1) {
        eachPixel(tile, row, col, (at, first) => {
          const rgb = channels === 1
            ? colour(numbers[first], seen)
            : [0, 1, 2].map((channel) => grey(low, high)(numbers[first + channel * area], seen)[0]);
          pixels.data.set([...rgb, 255], at);
        });
      }
    }
  }
  drawing.putImageData(pixels, 0, 0);
  const zoom = Math.max(1, Math.min(16, Math.floor(WIDEST / width), Math.floor(WIDEST / height)));
  canvas.style.width = `${width * zoom}px`;
  const told = make("p", { class: "pointed" }, caption);
  const point = (event) => {
    const bounds = canvas.getBoundingClientRect();
    const x = Math.floor(((event.clientX - bounds.left) / bounds.width) * width);
    const y = Math.floor(((event.clientY - bounds.top) / bounds.height) * height);
    const tile = Math.floor(y / (rows + gap)) * perRow + Math.floor(x / (cols + gap));
    const [row, col] = [y % (rows + gap), x % (cols + gap)];
    if (x < 0 || y < 0 || tile >= tiles || row >= rows || col >= cols) return;
    eachPixel(tile, row, col, (_, first) => {
      const values = Array.from({ length: channels }, (_, i) => figure(numbers[first + i * area]));
      const about = array.map.code === "u1" ? "\u2248" : "=";
      told.textContent = `${indexOf(first, array.map.axes)} ${about} ${values.join(", ")}`;
    });
  };
  canvas.addEventListener("pointermove", point);
  canvas.addEventListener("pointerdown", point); // a finger does not hover
  canvas.addEventListener("pointerleave", () => { told.textContent = caption; });
  const words = [];
  if (seen.has("nan")) words.push("magenta: nan");
  if (seen.has("inf")) words.push("cyan: infinite");
  const bar = channels === 1 ? colourBar(colour, low, high) : null;
  return make("div", { class: "mapped" }, canvas, bar, told,
    words.length ? make("p", { class: "bad" }, words.join(", ")) : null);
}

/** The index of an element, from its number in row-major order. */
function indexOf(number, axes) {
  const index = [];
  for (const size of [...axes].reverse()) {
    index.unshift(number % size);
    number = Math.floor(number / size);
  }
  return `[${index.join(", ")}]`;
}

function colourBar(colour, low, high) {
  const canvas = make("canvas", { width: 128, height: 1, class: "bar", "aria-hidden": "true" });
  const drawing = canvas.getContext("2d");
  const pixels = drawing.createImageData(128, 1);
  for (let i = 0; i < 128; i += 1) {
    pixels.data.set([...colour(low + ((high - low) * i) / 127, new Set()), 255], 4 * i);
  }
  drawing.putImageData(pixels, 0, 0);
  return make("div", { class: "ends" }, make("span", {}, figure(low)), canvas,
    make("span", {}, figure(high)));
}

/** A colour scale that also knows nan and infinity; `share` is 0 to 1, or -1 to 1. */
function scale(shareOf, stops) {
  return (value, seen) => {
    if (Number.isNaN(value)) return seen.add("nan"), NAN_COLOUR;
    if (!Number.isFinite(value)) return seen.add("inf"), INFINITE_COLOUR;
    const share = Math.min(1, Math.max(0, shareOf(value))) * (stops.length - 1);
    const at = Math.min(Math.floor(share), stops.length - 2);
    const part = share - at;
    return stops[at].map((from, i) => Math.round(from + (stops[at + 1][i] - from) * part));
  };
}

function grey(low, high) {
  return scale((value) => (value - low) / (high - low || 1), [[0, 0, 0], [255, 255, 255]]);
}

/** White at 0, darker with the size. */
function rising(low, high) {
  return scale((value) => value / (high || 1),
    [[255, 255, 255], [253, 208, 162], [241, 105, 19], [127, 39, 4]]);
}

/** Blue below 0, white at 0, red above. */
function diverging(low, high) {
  const most = Math.max(-low, high) || 1;
  return scale((value) => value / most / 2 + 0.5,
    [[5, 48, 97], [67, 147, 195], [247, 247, 247], [214, 96, 77], [103, 0, 31]]);
}
