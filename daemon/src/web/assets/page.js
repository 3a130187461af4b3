// Keeps the pages live: replaces the rows of machines to which something happens, and lists events. Every page can be
// read, and every form works, without this script.
"use strict";

const announce = document.querySelector("[data-announce]");
const live = document.querySelector("[data-live]");
const board = document.querySelector("[data-board]");
const log = document.querySelector("[data-log]");
const machinePage = document.querySelector("[data-machine-page]");
const search = document.querySelector("[data-find], [data-log-find]");

// The number of lines that the log keeps, and of rows that the board keeps.
const MAX_LINES = 500;
const MAX_ROWS = 200;
// So many changed rows are replaced one by one; more are replaced together.
const FEW_ROWS = 4;

// Times

const clock = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit", second: "2-digit" });
const date = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "medium" });

function ago(time) {
  const seconds = Math.max(0, Math.round((Date.now() - time) / 1000));
  if (seconds < 5) return "now";
  if (seconds < 60) return `${seconds} s ago`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min ago`;
  if (seconds < 86400) return `${Math.floor(seconds / 3600)} h ago`;
  return `${Math.floor(seconds / 86400)} d ago`;
}

function showTimes(root) {
  for (const element of root.querySelectorAll("time[datetime]")) {
    const time = new Date(element.dateTime);
    if (Number.isNaN(time.getTime())) continue;
    element.title = date.format(time);
    if ("ago" in element.dataset) element.textContent = ago(time);
    if ("date" in element.dataset) element.textContent = date.format(time);
    if ("clock" in element.dataset) element.textContent = clock.format(time);
  }
}

showTimes(document);
setInterval(() => showTimes(document), 5000);

// Parts of pages

// The part of a page of this server that matches the selector; null if there is none.
async function load(address, selector) {
  const response = await fetch(address);
  // The session has ended.
  if (response.redirected || response.status === 401) { location.reload(); return null; }
  if (!response.ok) return null;
  const part = new DOMParser().parseFromString(await response.text(), "text/html").querySelector(selector);
  if (part) showTimes(part);
  return part;
}

// Replaces an element by a newer one. The parts that are open, ticked or in focus stay so.
function replace(old, part) {
  for (const details of part.querySelectorAll("details[data-key]")) {
    const before = old.querySelector(`details[data-key="${CSS.escape(details.dataset.key)}"]`);
    if (before) details.open = before.open;
  }
  for (const box of part.querySelectorAll("input[type=checkbox][name=machine]")) {
    const before = old.querySelector(`input[type=checkbox][value="${CSS.escape(box.value)}"]`);
    if (before) box.checked = before.checked;
  }
  const places = "a, button, input, select, summary";
  const focused = [...old.querySelectorAll(places)].indexOf(document.activeElement);
  old.replaceWith(part);
  if (focused >= 0) part.querySelectorAll(places)[focused]?.focus({ preventScroll: true });
}

// The board

const due = new Set();
let flushing = 0;
let isStale = false;

function refreshSoon(id) {
  due.add(id);
  flushing ||= setTimeout(flush, 400);
}

// The stream of events has left some out.
function refreshAllSoon() {
  isStale = true;
  flushing ||= setTimeout(flush, 400);
}

async function flush() {
  const changed = [...due];
  const isWhole = isStale || changed.length > FEW_ROWS;
  due.clear();
  isStale = false;
  try {
    if (isWhole || !board.matches(".machines")) await refreshBoard();
    else for (const id of changed) await refreshRow(id);
  } finally {
    flushing = due.size > 0 || isStale ? setTimeout(flush, 1000) : 0;
  }
}

function rowOf(id) {
  return board.querySelector(`[data-machine="${CSS.escape(id)}"]`);
}

// Whether a person is about to press something on the board: then no row moves.
function isInUse() {
  return board.matches(":hover") || board.contains(document.activeElement) || board.querySelector("input[name=machine]:checked");
}

async function refreshRow(id) {
  const old = rowOf(id);
  if (!old && isInUse()) { due.add(id); return; }
  const row = await load(`/board/rows/${encodeURIComponent(id)}`, "article");
  if (!row) return;
  const here = `${location.pathname}${location.search}`.replace(/([?&])notice=[0-9a-f]*&?/, "$1").replace(/[?&]$/, "");
  for (const back of row.querySelectorAll("input[name=back]")) back.value = `${here}#${row.id}`;
  if (rowOf(row.dataset.machine)) replaceRow(row);
  // The server knows which of its machines are on this page, and how many there are.
  else if (board.dataset.board === "first") await refreshBoard();
  find();
}

// Replaces the row of a machine. The button under the pointer stays where it is.
function replaceRow(row) {
  const old = rowOf(row.dataset.machine);
  if (!old) return;
  tell(old, row);
  const actions = old.querySelector(".actions");
  const isPressed = actions.matches(":hover");
  replace(old, row);
  if (isPressed) row.querySelector(".actions").replaceWith(actions);
}

async function refreshBoard() {
  const page = await load(location.href, "main");
  const part = page?.querySelector("[data-board]");
  if (!part) return;
  for (const place of ["[data-total]", "[data-failed]"]) {
    document.querySelector(place).replaceChildren(...page.querySelector(place).childNodes);
  }
  if (part.matches(".machines") !== board.matches(".machines")) { location.reload(); return; }
  if (isInUse()) {
    for (const row of part.querySelectorAll(".machine")) replaceRow(row);
  } else {
    for (const row of part.querySelectorAll(".machine")) {
      tell(rowOf(row.dataset.machine), row);
      row.classList.toggle("is-new", !rowOf(row.dataset.machine));
    }
    board.replaceChildren(...part.children);
  }
  countTicked();
  find();
}

// Lets screen readers read a new verdict aloud, and the number of failed machines follow.
function tell(old, row) {
  const code = (element) => element?.querySelector(".verdict")?.dataset.code;
  if (old && code(row) !== code(old)) isStale = true;
  if (code(row) && code(row) !== code(old)) {
    announce.textContent = `${row.querySelector("h2").textContent}: ${row.querySelector(".verdict").textContent}`;
  }
}

// The ticked machines

const ticked = document.querySelector("[data-ticked]");

// The buttons of the bar wait until it says for which machines.
function countTicked() {
  if (!ticked) return;
  const count = document.querySelectorAll("input[name=machine]:checked").length;
  ticked.textContent = `${count || "none"} ticked`;
  const isAll = document.querySelector("input[name=which][value=all]").checked;
  for (const button of document.querySelectorAll("[data-many] button")) button.disabled = count === 0 && !isAll;
}

document.addEventListener("change", (event) => {
  if (event.target.matches("input[name=machine]")) {
    document.querySelector("input[name=which][value=ticked]").checked = true;
  }
  if (event.target.matches("input[name=machine], input[name=which]")) countTicked();
});
countTicked();

// The traffic that the server hears

if (document.querySelector("[data-heard]")) {
  setInterval(async () => {
    const old = document.querySelector("[data-heard]");
    if (document.hidden || !old) return;
    const part = await load("/board/heard", "[data-heard]");
    if (part) replace(old, part);
  }, 2000);
}

// The machine

const loading = { soon: 0, later: 0 };

function reloadSoon() {
  loading.soon ||= setTimeout(async () => {
    clearTimeout(loading.later);
    await reloadMachine();
    loading.soon = 0;
    // The server notes the end of an order within five seconds, without an event.
    loading.later = setTimeout(reloadMachine, 8000);
  }, 500);
}

async function reloadMachine() {
  const page = await load(location.href, "main");
  const part = page?.querySelector("[data-machine-page]");
  const shown = document.querySelector("[data-machine-page]");
  if (!part) return;
  const verdict = (element) => element.querySelector(".verdict")?.textContent;
  if (verdict(part) && verdict(part) !== verdict(shown)) announce.textContent = verdict(part);
  replace(shown, part);
  // The entries of a person in a form stay.
  const settings = document.querySelector("[data-settings]");
  if (!settings.contains(document.activeElement)) replace(settings, page.querySelector("[data-settings]"));
}

// Notices

function closeNotice() {
  document.querySelector("[data-notice]")?.remove();
}

document.querySelector("[data-close]")?.addEventListener("click", (event) => {
  event.preventDefault();
  closeNotice();
});

// The search, and the keys

function find() {
  if (!search) return;
  const wanted = search.value.trim().toLowerCase();
  // The server has chosen the rows for the search of the address, by more than their text.
  const isNew = search.value !== search.defaultValue;
  const partOnly = document.querySelector("[data-part-only]");
  if (partOnly) partOnly.hidden = !isNew;
  const level = document.querySelector("[data-log-level]");
  const levels = ["error", "warn", "info", "debug", "trace"];
  const most = level ? Math.max(levels.indexOf(level.value), 0) : levels.length;
  for (const element of document.querySelectorAll(".machine, .log tbody tr")) {
    const isHidden = element.dataset.level && levels.indexOf(element.dataset.level) > (most === 3 ? 4 : most);
    const isSearched = wanted !== "" && (isNew || log);
    element.hidden = isHidden || (isSearched && !element.textContent.toLowerCase().includes(wanted));
  }
  if (log) {
    log.hidden = !log.querySelector("tbody tr:not([hidden])");
    document.querySelector("[data-log-empty]").hidden = !log.hidden;
  }
}

if (search) search.addEventListener("input", find);

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.altKey || event.metaKey) return;
  const isTyping = event.target.matches("input:not([type=checkbox]), textarea, select");
  if (event.key === "/" && !isTyping && search) {
    event.preventDefault();
    search.focus();
    search.select();
  } else if (event.key === "Escape" && event.target === search) {
    search.value = "";
    find();
    search.blur();
  } else if (event.key === "Escape") {
    closeNotice();
  } else if ((event.key === "ArrowDown" || event.key === "ArrowUp") && !event.target.matches("textarea, select")) {
    move(event, event.key === "ArrowDown" ? 1 : -1);
  }
});

// Moves the focus to the next or the previous machine. Enter then opens it, as a link does.
function move(event, step) {
  const links = [...document.querySelectorAll(".machine:not([hidden]) h2 a")];
  if (links.length === 0) return;
  const current = links.findIndex((link) => link.closest(".machine").contains(document.activeElement));
  if (current < 0 && document.activeElement !== search && document.activeElement !== document.body) return;
  event.preventDefault();
  links[Math.min(links.length - 1, Math.max(0, current + step))].focus();
}

// The log

const pause = document.querySelector("[data-log-pause]");
const waiting = [];

if (pause) {
  pause.hidden = false;
  document.querySelector("[data-log-filter]").hidden = true;
  document.querySelector("[data-log-level]").addEventListener("change", find);
  search.form.addEventListener("submit", (event) => event.preventDefault());
  pause.addEventListener("click", () => {
    const isPaused = pause.getAttribute("aria-pressed") !== "true";
    pause.setAttribute("aria-pressed", isPaused);
    if (!isPaused) for (const record of waiting.splice(0)) addLine(record);
    namePause();
  });
}

function namePause() {
  const isPaused = pause.getAttribute("aria-pressed") === "true";
  pause.textContent = isPaused ? `Continue${waiting.length ? ` (${waiting.length} new)` : ""}` : "Pause";
}

function addLine(record) {
  if (pause.getAttribute("aria-pressed") === "true") {
    waiting.push(record);
    if (waiting.length > MAX_LINES) waiting.shift();
    namePause();
    return;
  }
  const row = document.createElement("tr");
  row.className = record.level;
  row.dataset.level = record.level;
  const time = document.createElement("time");
  time.dateTime = record.time;
  time.textContent = clock.format(new Date(record.time));
  row.insertCell().append(time);
  const level = document.createElement("span");
  level.className = "level";
  level.textContent = record.level;
  row.insertCell().append(level);
  const cell = row.insertCell();
  const machine = record.machine?.name ?? record.machine?.mac ?? record.machine?.address;
  if (machine) {
    const link = document.createElement("a");
    link.href = `/machines/${encodeURIComponent(machine)}`;
    link.textContent = machine;
    cell.append(link);
  }
  row.insertCell().textContent = record.text;
  log.tBodies[0].prepend(row);
  while (log.tBodies[0].rows.length > MAX_LINES) log.tBodies[0].lastElementChild.remove();
  find();
}

// Events

function receive(record) {
  const machine = record.machine ?? {};
  const id = machine.mac ?? machine.address;
  if (board && id) refreshSoon(id);
  if (log) addLine(record);
  const shown = document.querySelector("[data-machine-page]")?.dataset.machinePage;
  if (shown && [machine.mac, machine.address, machine.name].includes(shown)) reloadSoon();
}

function setLive(isLive) {
  live.hidden = false;
  live.classList.toggle("lost", !isLive);
  document.querySelector("[data-live-text]").textContent = isLive ? "live" : "connection lost";
}

if (live && (board || log || machinePage)) {
  const stream = new EventSource("/api/v1/events");
  stream.addEventListener("open", () => setLive(true));
  stream.addEventListener("error", () => setLive(false));
  stream.addEventListener("message", (event) => receive(JSON.parse(event.data)));
  stream.addEventListener("missed", () => {
    if (board) refreshAllSoon();
    if (machinePage) reloadSoon();
  });
}
