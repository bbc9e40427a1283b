// Every date field of the staff pages is typed as 2026-11-22 (or 22.11. in any way lib/dates.js reads), with the browser's
// calendar behind a button. Without this script the field stays the browser's own, so nothing depends on it.
import { parseDay, parseMoment, shown } from "../lib/dates.js";
import { text } from "./texts.js";

const FIELDS = 'input[type="date"]:not([data-native]), input[type="datetime-local"]:not([data-native])';

function today() {
  const now = new Date();
  return { year: now.getFullYear(), month: now.getMonth() + 1, day: now.getDate() };
}

function read(field) {
  return field.dataset.date === "day" ? parseDay(field.value, today()) : parseMoment(field.value, today());
}

/** The value the server reads; what cannot be read stays as it was typed and is named before anything is sent. */
function settle(field) {
  const value = field.value.trim() ? read(field) : "";
  const bad = field.value.trim() && !value ? "date" : value && field.min && value < field.min.slice(0, value.length) ? "date-early"
    : value && field.max && value > field.max.slice(0, value.length) ? "date-late" : "";
  field.setCustomValidity(bad ? text(bad) : "");
  field.setAttribute("aria-invalid", String(Boolean(bad)));
  if (value) field.value = shown(value);
}

function enhance(field) {
  const kind = field.type === "date" ? "day" : "moment";
  const value = field.value; // read while the browser still knows what it is
  field.dataset.date = kind;
  field.type = "text";
  field.value = shown(value);
  field.setAttribute("autocomplete", "off");
  field.setAttribute("inputmode", "numeric");
  field.maxLength = 20;
  if (!field.placeholder) field.placeholder = kind === "day" ? text("day-form") : text("moment-form");
  const holder = document.createElement("span");
  holder.className = `date-in ${kind}`;
  field.before(holder);
  const calendar = document.createElement("input");
  calendar.type = kind === "day" ? "date" : "datetime-local";
  calendar.dataset.native = "";
  calendar.tabIndex = -1; // typing is the way of the keyboard; Alt+↓ opens the calendar from the field
  calendar.setAttribute("aria-label", text("calendar"));
  calendar.title = text("calendar");
  ["min", "max"].forEach((name) => { if (field.getAttribute(name)) calendar.setAttribute(name, field.getAttribute(name)); });
  calendar.disabled = field.disabled;
  calendar.addEventListener("change", (event) => {
    event.stopPropagation();
    field.value = shown(calendar.value);
    field.dispatchEvent(new Event("input", { bubbles: true }));
    field.dispatchEvent(new Event("change", { bubbles: true }));
    field.focus();
  });
  calendar.addEventListener("input", (event) => event.stopPropagation());
  holder.append(field, calendar);
}

function enhanceAll(root) {
  if (root.matches && root.matches(FIELDS)) enhance(root);
  if (root.querySelectorAll) root.querySelectorAll(FIELDS).forEach(enhance);
}

const watcher = new MutationObserver((changes) => {
  changes.forEach((change) => change.addedNodes.forEach(enhanceAll));
});
enhanceAll(document.body);
watcher.observe(document.body, { childList: true, subtree: true });

// Before anybody else hears of the change (htmx, the call screen), the value is what the server reads.
document.addEventListener("change", (event) => {
  if (event.target.dataset && event.target.dataset.date) settle(event.target);
}, true);
document.addEventListener("keydown", (event) => {
  const field = event.target;
  if (!field.dataset || !field.dataset.date) return;
  if (event.key === "Enter") settle(field);
  if (event.altKey && event.code === "ArrowDown") {
    event.preventDefault();
    const calendar = field.parentElement.querySelector("[data-native]");
    calendar.value = read(field) || "";
    if (calendar.showPicker) calendar.showPicker();
  }
}, true);
