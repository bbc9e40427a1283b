// Today's list: the chosen row, the patient beside it, and results straight from the list (F2 F4 F8). The list itself is
// drawn by the server; after every step the server sends it again.
import { Refusal, get, post, wordsOf } from "../lib/ask.js";
import { text } from "./texts.js";
import { toast } from "./toasts.js";

const previews = new Map(); // row -> html, so that walking up and down is instant; emptied with every new list
const SETTLE = 70; // ms: holding ↓ must not ask for every patient on the way
let wanted = null;
let timer = 0;

const list = () => document.getElementById("worklist");
const pane = () => document.getElementById("preview");
const rows = () => [...document.querySelectorAll("#rows [data-row]")];
const chosen = () => document.querySelector('#rows [data-row][aria-selected="true"]');

function choose(row, { focus = false } = {}) {
  if (!row) return;
  rows().forEach((one) => {
    one.setAttribute("aria-selected", String(one === row));
    one.tabIndex = one === row ? 0 : -1;
  });
  if (focus) row.focus({ preventScroll: false });
  row.scrollIntoView({ block: "nearest" });
  show(row);
}

function show(row) {
  wanted = row.dataset.task;
  clearTimeout(timer);
  if (previews.has(wanted)) {
    draw(wanted);
    return;
  }
  pane().classList.add("stale"); // what is still shown belongs to another patient
  timer = setTimeout(() => load(row).then(() => draw(row.dataset.task)).catch(() => {}), SETTLE);
}

async function load(row) {
  if (!previews.has(row.dataset.task)) previews.set(row.dataset.task, (await get(row.dataset.preview)).body);
  return previews.get(row.dataset.task);
}

function draw(task) {
  if (task !== wanted || !pane()) return;
  pane().innerHTML = previews.get(task);
  pane().classList.remove("stale");
  const all = rows();
  const next = all[all.indexOf(chosen()) + 1];
  if (next) load(next).catch(() => {});
}

/** The list as the server sees it now. The same patient stays chosen, or whoever stands in the same place. */
function replace(html) {
  const before = chosen();
  const place = rows().indexOf(before);
  list().innerHTML = html;
  previews.clear();
  const again = rows();
  choose(again.find((row) => before && row.dataset.task === before.dataset.task) || again[Math.min(place, again.length - 1)] || again[0],
    { focus: document.activeElement === document.body });
}

async function refresh() {
  replace((await get(list().dataset.url + location.search)).body);
}

function call(row) {
  if (!row) return;
  const form = document.createElement("form");
  form.method = "post";
  form.action = row.dataset.open;
  form.hidden = true;
  const token = document.createElement("input");
  token.name = "csrfmiddlewaretoken";
  token.value = document.querySelector("#start").form.elements.csrfmiddlewaretoken.value;
  const dial = document.createElement("input");
  dial.name = "dial";
  dial.value = "1";
  form.append(token, dial);
  document.body.append(form);
  form.submit();
}

async function record(row, fields) {
  if (!row) return;
  try {
    const { body, headers } = await post(row.dataset.record + location.search, fields);
    replace(body);
    announce(headers);
  } catch (error) {
    toast({ text: (error instanceof Refusal && wordsOf(error)) || text("error-500"), bad: true });
  }
}

function announce(headers) {
  const events = JSON.parse(headers.get("HX-Trigger") || "{}");
  if (events.toast) toast(events.toast);
}

function ask(kind) {
  const row = chosen();
  const dialog = document.getElementById(kind);
  if (!row || row.dataset.status !== "requested" || !dialog || dialog.open) return;
  dialog.querySelector("[data-who]").textContent = row.querySelector(".nm").textContent;
  dialog.showModal();
  dialog.querySelector("[autofocus]").focus();
}

function bind() {
  if (!list()) return;
  document.addEventListener("focusin", (event) => {
    const row = event.target.closest && event.target.closest("#rows [data-row]");
    if (row && row.getAttribute("aria-selected") !== "true") choose(row);
  });
  document.addEventListener("click", (event) => {
    const row = event.target.closest("#rows [data-row]");
    if (row) choose(row, { focus: event.detail > 0 && !event.target.closest("button") });
    if (event.target.closest("[data-call]") || (row && event.detail === 0)) call(row || chosen()); // Enter clicks with detail 0
    const asked = event.target.closest("[data-ask]");
    if (asked) ask(asked.dataset.ask);
    const result = event.target.closest("dialog [data-outcome]");
    if (result) {
      result.closest("dialog").close();
      record(chosen(), { outcome: result.dataset.outcome, when: result.dataset.when || "" });
    }
  });
  document.addEventListener("submit", (event) => {
    if (!event.target.matches("[data-promise-form]")) return;
    event.preventDefault();
    event.target.closest("dialog").close();
    record(chosen(), { outcome: "call-later", when: "at", promised_at: event.target.elements.promised_at.value });
  });
  document.addEventListener("keydown", (event) => {
    if (document.querySelector("dialog[open]")) return;
    if (event.defaultPrevented || document.querySelector("dialog[open]")) return; // an open dialog owns its keys
    const kind = { F4: "not-reached", F8: "promise" }[event.code];
    if (kind) {
      event.preventDefault();
      ask(kind);
    } else if (event.code === "F2") {
      event.preventDefault();
      call(chosen());
    } else if (["ArrowDown", "ArrowUp"].includes(event.code) && document.activeElement === document.body) {
      event.preventDefault();
      choose(chosen() || rows()[0], { focus: true });
    }
  });
  document.addEventListener("worklist", () => refresh().catch(() => {}));
  setInterval(() => {
    if (!document.hidden && !document.querySelector("dialog[open], details.menu[open]")) refresh().catch(() => {});
  }, 60000);
  choose(rows()[0], { focus: true });
}

bind();
