// Returns what is wrong with the page, a sentence each. WCAG 2.2 AA has the limits.
"use strict";

const faults = [];

function describe(element) {
  const name = element.tagName.toLowerCase() + [...element.classList].map((each) => `.${each}`).join("");
  const text = element.textContent.trim().replace(/\s+/g, " ").slice(0, 40);
  return `<${name}>${text ? ` "${text}"` : ""}`;
}

function fault(element, what) {
  faults.push(`${describe(element)}: ${what}`);
}

// Whether a person sees the element; one for screen readers only is a pixel wide, and a skip link waits off the screen.
function isSeen(element) {
  if (!element.checkVisibility({ opacityProperty: true, visibilityProperty: true })) return false;
  for (let each = element; each; each = each.parentElement) {
    const style = getComputedStyle(each);
    if (style.clipPath === "inset(50%)") return false;
    const box = each.getBoundingClientRect();
    if (style.position === "absolute" && box.right <= 0) return false;
  }
  const box = element.getBoundingClientRect();
  return box.width > 0 && box.height > 0;
}

const seen = [...document.body.querySelectorAll("*")].filter(isSeen);

// Colours

const canvas = new OffscreenCanvas(1, 1).getContext("2d", { willReadFrequently: true });

// Returns red, green, blue and opacity of any colour of CSS, from 0 to 1.
function parse(colour) {
  canvas.clearRect(0, 0, 1, 1);
  canvas.fillStyle = colour;
  canvas.fillRect(0, 0, 1, 1);
  return [...canvas.getImageData(0, 0, 1, 1).data].map((value) => value / 255);
}

function over([r, g, b, a], [r2, g2, b2]) {
  return [r * a + r2 * (1 - a), g * a + g2 * (1 - a), b * a + b2 * (1 - a), 1];
}

// The colour behind an element, with its background.
function behind(element) {
  const layers = [];
  for (let each = element; each; each = each.parentElement) {
    const style = getComputedStyle(each);
    if (style.backgroundImage !== "none") fault(each, "has an image behind its text, whose contrast is unknown");
    layers.push(parse(style.backgroundColor));
    if (layers.at(-1)[3] === 1) break;
  }
  const page = matchMedia("(prefers-color-scheme: dark)").matches ? [0.07, 0.07, 0.07, 1] : [1, 1, 1, 1];
  return layers.reverse().reduce((below, layer) => over(layer, below), page);
}

function luminance(colour) {
  const linear = colour.slice(0, 3).map((value) => (value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4));
  return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2];
}

function contrast(one, other) {
  const [low, high] = [luminance(one), luminance(other)].sort((a, b) => a - b);
  return (high + 0.05) / (low + 0.05);
}

function checkText(element, style, what) {
  const size = parseFloat(style.fontSize);
  const isLarge = size >= 24 || (size >= 18.66 && Number(style.fontWeight) >= 700);
  const ground = behind(element);
  let opacity = 1;
  for (let each = element; each; each = each.parentElement) opacity *= Number(getComputedStyle(each).opacity);
  const [r, g, b, a] = parse(style.color);
  const ratio = contrast(over([r, g, b, a * opacity], ground), ground);
  const least = isLarge ? 3 : 4.5;
  if (ratio < least) fault(element, `the contrast of ${what} is ${ratio.toFixed(2)}, and not ${least}`);
}

for (const element of seen) {
  const hasText = [...element.childNodes].some((node) => node.nodeType === Node.TEXT_NODE && node.data.trim());
  const isOff = element.matches(":disabled");
  if ((hasText || element.matches("select, input:not([type=checkbox], [type=radio])")) && !isOff) {
    checkText(element, getComputedStyle(element), "its text");
  }
  if (element.matches("[placeholder]")) checkText(element, getComputedStyle(element, "::placeholder"), "its hint");
  for (const part of ["::before", "::after"]) {
    const style = getComputedStyle(element, part);
    // A sign in a shape is a graphic: its limit is 3.
    if (!/[^\s"]/.test(style.content.replace(/^none$|^normal$/, ""))) continue;
    const ratio = contrast(parse(style.color), behind(element));
    if (ratio < 3) fault(element, `the contrast of the sign in its ${part} is ${ratio.toFixed(2)}, and not 3`);
  }
}

// The shapes that say something, and the borders by which a person recognises a field.
for (const element of seen.filter((each) => each.matches("[data-shape], input, select, textarea"))) {
  if (element.matches("[type=checkbox], [type=radio]")) continue;
  const style = getComputedStyle(element);
  const ground = behind(element.parentElement);
  const ratios = [style.borderTopColor, style.backgroundColor].map((colour) => contrast(over(parse(colour), ground), ground));
  if (Math.max(...ratios) < 3) fault(element, `the contrast of its shape is ${Math.max(...ratios).toFixed(2)}, and not 3`);
}

// Room

const width = document.documentElement.clientWidth;
if (document.documentElement.scrollWidth > width) {
  faults.push(`the page is ${document.documentElement.scrollWidth} pixels wide, and the window ${width}`);
}

function scrolls(element) {
  for (let each = element; each !== document.body && each; each = each.parentElement) {
    if (["auto", "scroll"].includes(getComputedStyle(each).overflowX)) return true;
  }
  return false;
}

for (const element of seen) {
  const box = element.getBoundingClientRect();
  if ((box.right > width + 0.5 || box.left < -0.5) && !scrolls(element)) {
    fault(element, `reaches from ${box.left.toFixed(0)} to ${box.right.toFixed(0)}, and the window is ${width} wide`);
  }
  const style = getComputedStyle(element);
  const clips = ["hidden", "clip"].includes(style.overflowX) && element.scrollWidth > element.clientWidth + 1;
  if (clips && style.display !== "inline") fault(element, "its text is cut off");
}

// Short words that are broken in the middle.
const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
for (let count = 0; texts.nextNode() && count < 3000; ) {
  const node = texts.currentNode;
  if (!node.data.trim() || !isSeen(node.parentElement)) continue;
  for (const { 0: word, index } of node.data.matchAll(/[A-Za-z]{2,14}(?![\w./:-])/g)) {
    count += 1;
    if (/[\w./:-]/.test(node.data[index - 1] ?? " ")) continue;
    const range = document.createRange();
    range.setStart(node, index);
    range.setEnd(node, index + word.length);
    const tops = new Set([...range.getClientRects()].map((box) => Math.round(box.top)));
    if (tops.size > 1) fault(node.parentElement, `the word ${word} is broken`);
  }
}

// The page scrolls under an element that stays at an edge of the window.
function floats(element) {
  for (let each = element; each; each = each.parentElement) {
    if (["fixed", "sticky"].includes(getComputedStyle(each).position)) return true;
  }
  return false;
}

// Texts that lie on each other.
const words = seen
  .filter((element) => [...element.childNodes].some((node) => node.nodeType === Node.TEXT_NODE && node.data.trim()))
  .map((element) => {
    const range = document.createRange();
    const own = [...element.childNodes].filter((node) => node.nodeType === Node.TEXT_NODE && node.data.trim());
    const boxes = own.flatMap((node) => {
      range.selectNodeContents(node);
      return [...range.getClientRects()].filter((box) => box.width > 1);
    });
    return { element, boxes, floats: floats(element) };
  });
for (let first = 0; first < Math.min(words.length, 400); first += 1) {
  for (let second = first + 1; second < Math.min(words.length, 400); second += 1) {
    const [one, other] = [words[first], words[second]];
    if (one.element.contains(other.element) || other.element.contains(one.element)) continue;
    if (one.floats !== other.floats) continue;
    const meet = (a, b) => Math.min(a.right, b.right) - Math.max(a.left, b.left) > 2
      && Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top) > 4;
    if (one.boxes.some((a) => other.boxes.some((b) => meet(a, b)))) fault(one.element, `lies on ${describe(other.element)}`);
  }
}

// Targets for a finger, and the order of the focus

const INTERACTIVE = "a[href], button, input:not([type=hidden]), select, textarea, summary, [tabindex='0']";
const controls = seen.filter((element) => element.matches(INTERACTIVE) && !element.matches(":disabled"));

function target(control) {
  const label = control.matches("[type=checkbox], [type=radio]") ? control.closest("label") : null;
  return (label ?? control).getBoundingClientRect();
}

// A link inside a sentence has the height of its line.
function isInSentence(control) {
  const parent = control.parentElement;
  return control.matches("a") && getComputedStyle(control).display === "inline"
    && parent.textContent.trim().length > control.textContent.trim().length;
}

for (const control of controls) {
  const box = target(control);
  if (!isInSentence(control) && (box.width < 24 || box.height < 24)) {
    fault(control, `is ${box.width.toFixed(0)} x ${box.height.toFixed(0)} pixels, too small for a finger`);
  }
  if (control.tabIndex > 0) fault(control, "has a tabindex above 0");
  if (control.matches("input, select, textarea") && !control.labels.length && !control.matches("[aria-label], [aria-labelledby]")) {
    fault(control, "has no label");
  }
}

const stops = controls.filter((control) => control.tabIndex >= 0);
for (let index = 1; index < stops.length; index += 1) {
  if (floats(stops[index - 1]) !== floats(stops[index])) continue;
  const [before, after] = [stops[index - 1].getBoundingClientRect(), stops[index].getBoundingClientRect()];
  const isAbove = after.bottom <= before.top + 1;
  const isRight = after.left >= before.right - 1;
  const sharesRow = Math.min(before.bottom, after.bottom) - Math.max(before.top, after.top) > Math.min(before.height, after.height) / 2;
  if (isAbove && !isRight) fault(stops[index], `has the focus after ${describe(stops[index - 1])}, and is above it`);
  if (sharesRow && after.right <= before.left + 1) fault(stops[index], `has the focus after ${describe(stops[index - 1])}, and is left of it`);
}

// Structure

const headings = seen.filter((element) => element.matches("h1, h2, h3, h4, h5, h6"));
if (headings.filter((heading) => heading.matches("h1")).length !== 1) faults.push("the page has not one h1");
let level = 0;
for (const heading of headings) {
  const next = Number(heading.tagName[1]);
  if (next > level + 1) fault(heading, `follows a heading of level ${level}`);
  level = next;
}
if (document.querySelectorAll("main").length !== 1) faults.push("the page has not one main");
if (!document.documentElement.lang || !document.title.trim()) faults.push("the page has no language or no title");
const ids = [...document.querySelectorAll("[id]")].map((element) => element.id);
for (const id of new Set(ids.filter((each, index) => ids.indexOf(each) !== index))) faults.push(`two elements have the ID ${id}`);
for (const image of document.images) {
  if (!image.hasAttribute("alt") || !image.complete || !image.naturalWidth) fault(image, `the image ${image.src} is missing, or has no text`);
}
for (const table of seen.filter((element) => element.matches("table"))) {
  if (!table.querySelector("th[scope]")) fault(table, "has no header cell");
}

// Motion

if (matchMedia("(prefers-reduced-motion: reduce)").matches) {
  for (const animation of document.getAnimations()) {
    if (animation.playState === "running") fault(animation.effect.target, "moves, although the user prefers reduced motion");
  }
}

return [...new Set(faults)];
