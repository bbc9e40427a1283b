// The call screen. F2 dials and hangs up, answers save themselves, F9 saves the result and brings the next patient, who was
// drawn while the nurse still talked. Everything is bound to <document>, so a new patient needs no new listeners.
import { Refusal, get, post, wordsOf } from "../lib/ask.js";
import { drain, keep, waiting, wipe } from "../lib/queue.js";
import { isEnabled } from "../lib/enable.js";
import { isFull } from "../lib/full.js";
import { text } from "./texts.js";
import { toast } from "./toasts.js";

const page = () => document.getElementById("call");
const screen = () => document.querySelector(".callscreen");
const bar = () => document.querySelector("[data-result-bar]");
let words = {};
let timer = 0;
let startedAt = 0;
let seconds = 0;
let ahead = null; // {task, stamp, html} of the patient who comes next
let busy = false;
let chosenNumber = null;

function say(key) {
  return words[key] || "";
}

// ---- the call itself ------------------------------------------------------------------------------------------------

function state(name) {
  const here = screen();
  if (!here) return;
  here.dataset.state = name;
  const label = here.querySelector("[data-call-state]");
  if (label) label.textContent = say({ ready: "ready", calling: "calling", talking: "talking", wrapping: "wrapping" }[name]);
  const go = here.querySelector("[data-dial-button]");
  const hang = here.querySelector("[data-hang-button]");
  if (go) go.hidden = name === "talking";
  if (hang) hang.hidden = name !== "talking";
}

// ---- at home or in the clinic instead of on the phone -----------------------------------------------------------------

function way() {
  const here = screen();
  return (here && here.dataset.channel) || "phone";
}

/** Shows what belongs to this way. What only a telephone can do is out of reach of the keys, too. */
function setWay(code) {
  const here = screen();
  here.dataset.channel = code;
  const met = code !== "phone";
  here.querySelectorAll("[data-way]").forEach((one) => {
    one.setAttribute("aria-pressed", String(one.dataset.way === code));
    one.classList.toggle("on", one.dataset.way === code);
  });
  document.querySelectorAll("[data-by-phone]").forEach((one) => { one.classList.toggle("not-here", met); });
  document.querySelectorAll("[data-in-person]").forEach((one) => { one.hidden = !met; });
  document.querySelectorAll("#not-reached [data-digit]").forEach((one) => {
    const usable = one.matches("[data-in-person]") === met;
    one.disabled = !usable;
    one.toggleAttribute("autofocus", usable && one.dataset.digit === "1");
  });
  const wrong = bar() && bar().querySelector('[data-result="wrong-person"]');
  if (wrong) wrong.disabled = met;
  const when = here.querySelector("[data-happened]");
  if (met && when && !when.value) when.value = nowHere().replace("T", when.type === "text" ? " " : "T");
}

function nowHere() {
  const now = new Date();
  return new Date(now.getTime() - now.getTimezoneOffset() * 60000).toISOString().slice(0, 16);
}

function tick() {
  if (startedAt) seconds = Math.floor((Date.now() - startedAt) / 1000);
  const clock = document.querySelector("[data-timer]");
  if (clock) clock.textContent = `${String(Math.floor(seconds / 60)).padStart(2, "0")}:${String(seconds % 60).padStart(2, "0")}`;
}

function number() {
  const picked = document.querySelector('[data-pick][aria-pressed="true"]');
  return picked ? picked.dataset.pick : "";
}

// The desk telephone and tel: tell the page nothing, so the nurse's keys say it: F2 calls, F2 hangs up.
async function dial() {
  const here = screen();
  if (!here || here.dataset.state === "talking") return;
  if (way() !== "phone") setWay("phone");
  chosenNumber = number();
  if (!chosenNumber) {
    toast({ text: say("number"), bad: true });
    return;
  }
  startedAt = Date.now();
  seconds = 0;
  clearInterval(timer);
  timer = setInterval(tick, 500);
  state("talking");
  firstOpenQuestion();
  drawAhead();
  try {
    const call = (await post(here.dataset.dial, { contact_point: chosenNumber })).json();
    if (here !== screen()) return;
    const line = here.querySelector("[data-line]");
    const masked = here.querySelector(`[data-number="${chosenNumber}"]`);
    if (line) line.textContent = `${call.shown} ${masked ? masked.querySelector(".ell").textContent : ""}`;
    if (call.href) window.location.assign(call.href);
  } catch (error) {
    complain(error);
  }
}

function hangUp() {
  tick();
  startedAt = 0;
  clearInterval(timer);
  state("wrapping");
  focusResult();
}

// ---- result and next patient ----------------------------------------------------------------------------------------

function focusResult() {
  const first = bar() && bar().querySelector("[data-digit]");
  if (first) first.focus();
}

function choose(button) {
  bar().querySelectorAll("[data-result]").forEach((one) => one.setAttribute("aria-pressed", String(one === button)));
  const more = bar().querySelector("[data-more]");
  const hidden = more.contains(button);
  more.classList.toggle("on", hidden);
  if (hidden) {
    more.querySelector("[data-more-label]").textContent = button.textContent;
    more.open = false;
    more.querySelector("summary").focus();
  }
  hint("");
}

function hint(message) {
  const place = bar() && bar().querySelector("[data-result-hint]");
  if (place) place.textContent = message;
}

/** F9 straight from the last answer: who was called and gave every required answer was reached. Nothing is guessed else. */
function completed() {
  const asked = blocks().filter((block) => "required" in block.dataset);
  const answered = (block) => linksOf(block).some((link) => valuesOf(link).length);
  const spoke = (chosenNumber || way() !== "phone") && blocks().some(answered);
  const done = bar() && bar().querySelector('[data-result="reached-patient"]');
  if (spoke && done && asked.every(answered)) choose(done);
}

/** Chosen while talking, sent with the result: undo within ten seconds holds it back. */
function toggle(button) {
  const on = button.getAttribute("aria-pressed") !== "true";
  button.setAttribute("aria-pressed", String(on));
  button.classList.toggle("on", on);
}

function chosenResult() {
  const button = bar() && bar().querySelector('[data-result][aria-pressed="true"]');
  return button ? button.dataset.result : "";
}

async function finish(fields) {
  const here = screen();
  if (!here || !here.dataset.finish || busy) return;
  busy = true;
  try {
    if (document.activeElement && document.activeElement.blur) document.activeElement.blur(); // a half-typed number counts
    await sendAll();
    if (waiting()) throw new TypeError("answers are still waiting for the network");
    tick();
    startedAt = 0;
    clearInterval(timer);
    const note = document.getElementById("note");
    const answer = await post(here.dataset.finish, {
      ...contact(), note: note ? note.value : "",
      send: [...here.querySelectorAll('[data-send][aria-pressed="true"]')].map((one) => one.dataset.send),
      ready: ahead ? `${ahead.task}:${ahead.stamp}` : "", ...fields,
    });
    const next = answer.json();
    swap(next.html || ahead.html, next);
    const events = JSON.parse(answer.headers.get("HX-Trigger") || "{}");
    if (events.toast) toast(events.toast);
  } catch (error) {
    complain(error);
    hint(error instanceof Refusal ? wordsOf(error) : "");
    missing();
  } finally {
    busy = false;
  }
}

/** How it was: a call with its number and length, or a visit with its time. */
function contact() {
  if (way() === "phone") return { channel: "phone", contact_point: chosenNumber || number(), seconds: String(seconds) };
  const when = screen().querySelector("[data-happened]");
  return { channel: way(), happened_at: when ? when.value : "" };
}

function swap(html, { url = "", task = null } = {}) {
  page().innerHTML = html;
  if (window.htmx) window.htmx.process(page());
  if (url && task) window.history.replaceState(null, "", url);
  arrive();
}

function arrive() {
  ahead = null;
  seconds = 0;
  startedAt = 0;
  chosenNumber = null;
  clearInterval(timer);
  if (!screen()) return;
  restoreNote();
  setWay(way());
  enable();
  rove();
  const go = screen().querySelector("[data-dial-button]") || screen().querySelector("[data-key='F9']");
  if (go) go.focus({ preventScroll: true });
  setTimeout(drawAhead, 3000); // also when nobody dials: an unanswered call takes three seconds
}

async function drawAhead() {
  const here = screen();
  if (!here || !here.dataset.upcoming || ahead) return;
  try {
    const answer = await get(here.dataset.upcoming);
    if (here === screen() && answer.body) {
      ahead = answer.json();
      here.dataset.ahead = ahead.task;
    }
  } catch (error) {
    ahead = null; // then the next patient comes whole with the result
  }
}

function complain(error) {
  if (error instanceof Refusal && error.status === 409) {
    toast({ text: wordsOf(error), bad: true });
  } else if (!(error instanceof Refusal) || error.status !== 422) {
    toast({ text: text("error-500"), bad: true });
  }
}

function ask(kind) {
  const dialog = document.getElementById(kind);
  if (!dialog || dialog.open || !bar()) return;
  dialog.querySelector("[data-who]").textContent = screen().querySelector(".callbar b").textContent;
  dialog.showModal();
  dialog.querySelector("[autofocus]").focus();
}

// ---- answers --------------------------------------------------------------------------------------------------------

function form() {
  return document.querySelector("[data-questions][data-answer-url]");
}

function blocks({ shown = true } = {}) {
  return form() ? [...form().querySelectorAll("[data-question]")].filter((one) => !shown || !one.hidden) : [];
}

function valuesOf(link) {
  const mine = `[data-answer="${CSS.escape(link)}"]`;
  const chosen = [...form().querySelectorAll(`${mine}[aria-checked="true"], ${mine}[aria-pressed="true"]`)].map((one) => one.dataset.value);
  const typed = [...form().querySelectorAll(`input${mine}, textarea${mine}`)].map((one) => one.value.trim()).filter((value) => value !== "");
  return [...chosen, ...typed];
}

function linksOf(block) {
  return block.dataset.links.split(" ");
}

/** Show what the answers so far call for, hide the rest, number what is shown. At once: the next key is on its way. */
function enable() {
  if (!form()) return;
  const source = screen().querySelector("[data-logic]");
  const logic = source ? JSON.parse(source.textContent) : {};
  const answers = {};
  blocks({ shown: false }).forEach((block) => linksOf(block).forEach((link) => { answers[link] = valuesOf(link); }));
  const seen = new Map();
  blocks({ shown: false }).forEach((block) => { block.hidden = !linksOf(block).some((link) => isEnabled(logic, link, answers, seen)); });
  form().querySelectorAll("[data-matrix-head]").forEach((head) => { head.hidden = !blocks().some((block) => block.dataset.matrix === head.dataset.matrixHead); });
  blocks().forEach((block, index) => { block.querySelector("[data-number]").textContent = String(index + 1); });
}

/** One stop of the Tab key for each group of options; digits and arrows work inside it. */
function rove() {
  blocks({ shown: false }).forEach((block) => {
    block.querySelectorAll("[data-digits]").forEach((group) => {
      const options = [...group.querySelectorAll("[data-value]")];
      const stop = options.find((one) => one.getAttribute("aria-checked") === "true") || options[0];
      options.forEach((one) => { one.tabIndex = one === stop ? 0 : -1; });
    });
  });
}

function fieldOf(block) {
  return block.querySelector('input:not([type=hidden]):not([disabled]), textarea, [data-value][tabindex="0"], [data-value]');
}

function goTo(block) {
  blocks({ shown: false }).forEach((one) => one.classList.toggle("cur", one === block));
  const field = fieldOf(block);
  if (field) field.focus({ preventScroll: true });
  if (field && field.select) field.select();
  block.scrollIntoView({ block: "nearest" });
}

function advance(block) {
  const all = blocks();
  const next = all[all.indexOf(block) + 1];
  if (next) goTo(next);
  else focusResult();
}

function save(link) {
  enable();
  keep({ id: `${form().dataset.answerUrl}#${link}`, stamp: `${Date.now()}-${Math.random()}`, url: form().dataset.answerUrl,
    link_id: link, value: valuesOf(link) });
  sendAll();
}

/** A click, a digit or an arrow on an option. */
function pickOption(option) {
  const link = option.dataset.answer;
  const group = option.closest("[data-digits]");
  const block = option.closest("[data-question]");
  if (option.hasAttribute("data-not-measured")) {
    const on = option.getAttribute("aria-pressed") !== "true";
    option.setAttribute("aria-pressed", String(on));
    option.classList.toggle("on", on);
    reasonOf(link).hidden = !on;
    const mine = `[data-answer="${CSS.escape(link)}"]`;
    form().querySelectorAll(`input${mine}, textarea${mine}`).forEach((field) => { field.value = ""; });
    form().querySelectorAll(`${mine}[aria-checked="true"]`).forEach((one) => {
      one.setAttribute("aria-checked", "false");
      one.classList.remove("on", "bad");
    });
    save(link);
    return;
  }
  hasAnswer(link);
  const many = option.hasAttribute("data-repeats");
  group.querySelectorAll("[data-value]:not([data-not-measured])").forEach((one) => {
    const on = many ? (one === option) !== (one.getAttribute("aria-checked") === "true") && (one === option || one.getAttribute("aria-checked") === "true") : one === option;
    one.setAttribute("aria-checked", String(on));
    one.classList.toggle("on", on);
    one.classList.remove("bad");
  });
  rove();
  save(link);
  if (!many) advance(block);
}

function reasonOf(link) {
  return form().querySelector(`[data-absent-reason="${CSS.escape(link)}"]`);
}

/** An answer takes the place of "no answer". */
function hasAnswer(link) {
  form().querySelectorAll(`[data-not-measured][data-answer="${CSS.escape(link)}"]`).forEach((one) => {
    one.setAttribute("aria-pressed", "false");
    one.classList.remove("on");
    reasonOf(link).hidden = true;
  });
}

function typed(event) {
  const field = event.target;
  if (form() && form().contains(field) && field.matches("[data-absent-reason]")) {
    const link = field.dataset.absentReason;
    form().querySelector(`[data-not-measured][data-answer="${CSS.escape(link)}"]`).dataset.value = `not-measured:${field.value}`;
    save(link);
    return;
  }
  if (!form() || !form().contains(field) || !field.matches("input[data-answer], textarea[data-answer]")) return;
  if (field.value.trim()) hasAnswer(field.dataset.answer);
  save(field.dataset.answer);
}

/** A full number field passes on by itself; the last one of a question goes to the next question. */
function full(event) {
  const field = event.target;
  if (!isFull(field) || !form() || !form().contains(field)) return;
  const block = field.closest("[data-question]");
  const fields = [...block.querySelectorAll("input")];
  if (fields.indexOf(field) === fields.length - 1) advance(block); // leaving the field fires its change
}

function walk(event) {
  const option = event.target.closest && event.target.closest("[data-questions] [data-value]");
  const by = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[event.code];
  if (option && by) {
    const all = [...option.closest("[data-digits]").querySelectorAll("[data-value]")];
    const next = all[(all.indexOf(option) + by + all.length) % all.length];
    next.tabIndex = 0;
    next.focus();
    event.preventDefault();
  } else if (event.code === "Enter" && event.target.matches && event.target.matches("[data-questions] input")) {
    event.preventDefault();
    advance(event.target.closest("[data-question]"));
  } else if (event.code === "KeyN" && !event.ctrlKey && !event.altKey) {
    const block = event.target.closest && event.target.closest("[data-question]");
    const marks = block && !event.target.matches("textarea, select") ? [...block.querySelectorAll("[data-not-measured]")] : [];
    const open = marks.filter((one) => one.getAttribute("aria-pressed") !== "true" && !valuesOf(one.dataset.answer).length);
    if (marks.length) {
      event.preventDefault();
      (open.length ? open : marks.slice(0, 1)).forEach(pickOption); // a pressure that was not taken has two empty fields
      advance(block);
    }
  }
}

async function sendAll() {
  const left = await drain(async (item) => {
    try {
      const answer = await post(item.url, { link_id: item.link_id, value: item.value });
      if (form() && form().dataset.answerUrl === item.url) afterAnswer(answer.json());
    } catch (error) {
      if (!(error instanceof Refusal) || error.status >= 500) throw error; // no network, server down: it stays in the queue
      toast({ text: wordsOf(error) || text("error-500"), bad: true });
      throw Object.assign(new Error("refused"), { refused: true });
    }
  });
  document.documentElement.classList.toggle("is-offline", left > 0);
  const count = document.getElementById("unsent-count");
  if (count) count.textContent = left ? String(left) : "";
}

function afterAnswer(result) {
  const here = screen();
  const saved = here.querySelector("[data-saved]");
  saved.textContent = result.saved;
  saved.dataset.savedAt = result.time;
  here.querySelectorAll("[data-answered], [data-total]").forEach((one) => {
    const name = "answered" in one.dataset ? "answered" : "total";
    one.textContent = result[name];
    one.dataset[name] = String(result[name]);
  });
  blocks({ shown: false }).forEach((block) => {
    const link = block.dataset.linkId;
    block.classList.toggle("done", result.done.includes(link));
    notes(block, result.blocks[link] || "");
  });
  const advice = document.getElementById("advice");
  if (advice) advice.innerHTML = result.advice;
}

function notes(block, html) {
  const holder = document.createElement("template");
  holder.innerHTML = html.trim();
  const now = [...block.querySelectorAll(":scope > .inline-alert")];
  const key = (list) => list.map((one) => one.outerHTML).join("");
  const next = [...holder.content.children];
  if (key(now) === key(next)) return; // an alert that stands is not read out twice
  now.forEach((one) => one.remove());
  block.append(...next);
  const bad = next.some((one) => one.dataset.severity === "critical");
  block.querySelectorAll("[data-value].on").forEach((one) => one.classList.toggle("bad", bad));
}

function firstOpenQuestion() {
  const open = blocks().find((block) => !linksOf(block).some((link) => valuesOf(link).length));
  if (open) goTo(open);
  else focusResult();
}

function missing() {
  if (form() && chosenResult() === "reached-patient") firstOpenQuestion();
}

async function report(button) {
  const url = (button && button.dataset.report) || (form() && form().dataset.reportUrl);
  if (!url) return;
  await sendAll();
  try {
    const answer = (await post(url)).json();
    afterAnswer(answer);
    toast({ text: answer.text });
  } catch (error) {
    complain(error);
  }
}

// ---- notes: kept in this tab until the result is saved --------------------------------------------------------------

const noteKey = () => `careloop.note.${screen().dataset.task}`;

function restoreNote() {
  const field = document.getElementById("note");
  if (field && screen().dataset.task) field.value = sessionStorage.getItem(noteKey()) || "";
}

function wipeAll() {
  wipe();
  Object.keys(sessionStorage).filter((key) => key.startsWith("careloop.")).forEach((key) => sessionStorage.removeItem(key));
}

// ---- tabs on the right ----------------------------------------------------------------------------------------------

function tab(button) {
  const group = button.closest("[data-tabs]");
  group.querySelectorAll("[data-tab]").forEach((one) => {
    one.setAttribute("aria-selected", String(one === button));
    one.tabIndex = one === button ? 0 : -1;
    document.getElementById(one.getAttribute("aria-controls")).hidden = one !== button;
  });
}

function bind() {
  document.addEventListener("submit", (event) => {
    if (/logout/.test(event.target.action || "")) wipeAll();
  });
  if (document.querySelector("body.plain")) wipeAll(); // the login page: nobody's answers stay on a shared computer
  if (!page()) return;
  const source = document.getElementById("call-texts");
  words = source ? JSON.parse(source.textContent) : {};

  document.addEventListener("click", (event) => {
    const at = (selector) => event.target.closest(selector);
    if (at("[data-dial-button]")) dial();
    if (at("[data-hang-button]")) hangUp();
    if (at("[data-way]")) setWay(way() === at("[data-way]").dataset.way ? "phone" : at("[data-way]").dataset.way);
    if (at("[data-ask]")) ask(at("[data-ask]").dataset.ask);
    if (at("[data-result]")) choose(at("[data-result]"));
    if (at("[data-send]")) toggle(at("[data-send]"));
    if (at("[data-tab]")) tab(at("[data-tab]"));
    if (at("[data-questions] [data-value]")) pickOption(at("[data-value]"));
    if (at("[data-report]")) report(at("[data-report]"));
    if (at("[data-finish-button]")) {
      if (!chosenResult()) completed();
      if (chosenResult()) finish({ outcome: chosenResult() });
      else {
        hint(say("choose"));
        focusResult();
      }
    }
    if (at("[data-pick]")) {
      document.querySelectorAll("[data-pick]").forEach((one) => one.setAttribute("aria-pressed", String(one === at("[data-pick]"))));
      document.querySelector("[data-line]").textContent = at("[data-number]").dataset.masked;
    }
    const result = at("dialog [data-outcome]");
    if (result) {
      result.closest("dialog").close();
      finish({ outcome: result.dataset.outcome, when: result.dataset.when || "" });
    }
  });
  document.addEventListener("submit", (event) => {
    if (!event.target.matches("[data-promise-form]")) return;
    event.preventDefault();
    event.target.closest("dialog").close();
    finish({ outcome: "call-later", when: "at", promised_at: event.target.elements.promised_at.value });
  });
  document.addEventListener("keydown", (event) => {
    if (event.defaultPrevented || document.querySelector("dialog[open]")) return; // an open dialog owns its keys
    const kind = { F4: "not-reached", F8: "promise" }[event.code];
    if (kind) {
      event.preventDefault();
      ask(kind);
    } else if (event.altKey && event.code === "KeyA") {
      event.preventDefault();
      report(null);
    } else if (["ArrowLeft", "ArrowRight"].includes(event.code) && event.target.matches && event.target.matches("[data-tab]")) {
      const all = [...event.target.closest("[data-tabs]").querySelectorAll("[data-tab]")];
      const next = all[(all.indexOf(event.target) + (event.code === "ArrowRight" ? 1 : all.length - 1)) % all.length];
      next.focus();
      tab(next);
    }
  });
  document.addEventListener("change", typed);
  document.addEventListener("keydown", walk);
  document.addEventListener("input", (event) => {
    full(event);
    if (event.target.id === "note") sessionStorage.setItem(noteKey(), event.target.value);
  });
  document.addEventListener("reopened", async (event) => {
    const url = `/call/${event.detail.task}/`;
    swap((await get(`${url}screen/`)).body, { url, task: event.detail.task });
  });
  window.addEventListener("online", () => sendAll());
  setInterval(() => { if (waiting()) sendAll(); }, 5000);
  setInterval(() => {
    const here = screen();
    if (here && here.dataset.take && !("notMine" in here.dataset) && !document.hidden) {
      post(here.dataset.take).catch((error) => { if (error.status === 409) toast({ text: say("taken"), bad: true }); });
    }
  }, 300000);

  arrive();
  if (new URLSearchParams(window.location.search).has("dial")) {
    window.history.replaceState(null, "", window.location.pathname);
    dial();
  }
}

bind();
