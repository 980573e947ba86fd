"use strict";
// Elements are made here, and only here. Text goes in as text: no name or value of a graph, however
// hostile, is ever parsed as HTML.

const SVG = "http://www.w3.org/2000/svg";
const MATH = "http://www.w3.org/1998/Math/MathML";

/** The element of the page with this id. */
function part(id) {
  return document.getElementById(id);
}

/** An HTML element: make("p", {class: "quiet"}, "text", another, ...). */
function make(tag, attributes = {}, ...children) {
  return filled(document.createElement(tag), attributes, children);
}

/** An SVG element. */
function shape(tag, attributes = {}, ...children) {
  return filled(document.createElementNS(SVG, tag), attributes, children);
}

function filled(element, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (value === undefined || value === null || value === false) continue;
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...children.filter((child) => child !== null && child !== undefined));
  return element;
}

// What a formula may consist of. MathML text comes from Python, where a user's own op may have any
// formula: only these elements are copied, none of their attributes except the harmless ones below.
const MATH_TAGS = new Set(
  ("math mrow mi mo mn ms mtext mspace mfrac msqrt mroot msub msup msubsup munder mover " +
    "munderover mtable mtr mtd mpadded mphantom mstyle menclose").split(" "),
);
const MATH_ATTRIBUTES = new Set(
  ("accent accentunder columnalign columnspacing columnlines depth display displaystyle fence form " +
    "height largeop linethickness lspace mathvariant maxsize minsize movablelimits notation " +
    "rowspacing rspace scriptlevel separator stretchy symmetric width").split(" "),
);

const MATH_CLASSES = new Set(["left", "word-bar"]);

/** A formula as an element, from MathML text and the same as plain text. */
function formula([mathml, text]) {
  if (mathml) {
    const parsed = new DOMParser().parseFromString(mathml, "application/xml").documentElement;
    if (parsed.localName === "math") {
      const copy = mathCopy(parsed);
      copy.setAttribute("aria-label", text);
      return make("span", { class: "formula" }, copy);
    }
  }
  return make("code", { class: "formula" }, text);
}

function mathCopy(node) {
  if (node.nodeType === Node.TEXT_NODE) return document.createTextNode(node.data);
  if (node.nodeType !== Node.ELEMENT_NODE || !MATH_TAGS.has(node.localName)) {
    return document.createTextNode(node.textContent ?? "");
  }
  const copy = document.createElementNS(MATH, node.localName);
  for (const { name, value } of node.attributes) {
    if (MATH_ATTRIBUTES.has(name)) copy.setAttribute(name, value);
    if (name === "class" && MATH_CLASSES.has(value)) copy.setAttribute(name, value);
  }
  for (const child of node.childNodes) copy.append(mathCopy(child));
  return copy;
}

/** The text, with what is over `most` characters cut off. */
function shortened(text, most) {
  const letters = [...text];
  return letters.length <= most ? text : letters.slice(0, most - 1).join("") + "\u2026";
}

/** Tell those who listen instead of looking. */
function say(text) {
  part("said").textContent = text;
}
