// Toasts. The server sends HX-Trigger: {"toast": {"text": "…", "undo": "/url/"}}; undo is a POST and lives ten seconds,
// which stop while the pointer or the focus is on the toast.
import { text } from "./texts.js";

const LIFETIME = 10000;

function holder() {
  return document.getElementById("toasts");
}

export function toast({ text: message, undo = "", bad = false }) {
  const list = holder();
  if (!list || !message) return null;
  const box = document.createElement("div");
  box.className = bad ? "toast bad" : "toast";
  const words = document.createElement("span");
  words.textContent = message;
  box.append(words);
  if (undo) box.append(undoButton(undo, box));
  list.append(box);
  keep(box);
  return box;
}

function undoButton(url, box) {
  const button = document.createElement("button");
  button.type = "button";
  button.dataset.key = "Ctrl+Z";
  button.textContent = text("undo");
  button.addEventListener("click", () => {
    box.remove();
    window.htmx.ajax("POST", url, { source: document.body, swap: "none" });
  });
  return button;
}

function keep(box) {
  let left = LIFETIME;
  let since = Date.now();
  let timer = setTimeout(() => box.remove(), left);
  const hold = () => { clearTimeout(timer); left -= Date.now() - since; };
  const go = () => { since = Date.now(); clearTimeout(timer); timer = setTimeout(() => box.remove(), Math.max(left, 1500)); };
  box.addEventListener("mouseenter", hold);
  box.addEventListener("mouseleave", go);
  box.addEventListener("focusin", hold);
  box.addEventListener("focusout", go);
}

document.addEventListener("toast", (event) => toast(event.detail));
document.addEventListener("htmx:responseError", (event) => {
  const status = event.detail.xhr.status;
  if (status === 409 || status === 422) return; // shown where they belong
  if (event.detail.elt.closest && event.detail.elt.closest("[data-quiet]")) return; // a badge that refreshes itself
  if (status === 401) { window.location.reload(); return; }
  toast({ text: text(`error-${status}`) || text("error-500"), bad: true });
});
document.addEventListener("DOMContentLoaded", () => {
  document.querySelectorAll("#toasts > .toast").forEach(keep); // one that came with the page (undo_toast macro)
});
document.addEventListener("click", (event) => {
  const closer = event.target.closest("[data-toast-close]");
  if (closer) closer.closest(".toast").remove();
});
