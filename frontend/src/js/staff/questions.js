// Question forms of the call screen: after a choice the focus goes on to the next question, Tab and Shift+Tab walk between
// questions, a number field passes on when it is full (data-jump="3", data-most="200").
import { isFull } from "../lib/full.js";

function questionOf(element) {
  return element.closest ? element.closest("[data-question]") : null;
}

function step(question, by) {
  const form = question.closest("[data-questions]");
  if (!form) return false;
  const all = [...form.querySelectorAll("[data-question]")].filter((one) => one.getClientRects().length > 0);
  const next = all[all.indexOf(question) + by];
  if (!next) return false;
  focusIn(next);
  return true;
}

function focusIn(question) {
  const field = question.querySelector("input:not([type=hidden]):not([disabled]), textarea, select, [data-digit]");
  document.querySelectorAll("[data-question].cur").forEach((one) => one.classList.remove("cur"));
  question.classList.add("cur");
  (field || question).focus({ preventScroll: true });
  question.scrollIntoView({ block: "nearest" });
}

document.addEventListener("focusin", (event) => {
  const question = questionOf(event.target);
  if (!question || question.classList.contains("cur")) return;
  document.querySelectorAll("[data-question].cur").forEach((one) => one.classList.remove("cur"));
  question.classList.add("cur");
});

document.addEventListener("change", (event) => {
  const question = questionOf(event.target);
  if (!question || event.target.type !== "radio") return;
  setTimeout(() => step(question, 1), 0);
});

document.addEventListener("input", (event) => {
  if (!isFull(event.target)) return;
  const question = questionOf(event.target);
  const fields = question ? [...question.querySelectorAll("input[data-jump]")] : [];
  const next = fields[fields.indexOf(event.target) + 1];
  if (next) next.focus();
});
