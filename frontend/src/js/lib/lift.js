// A patient in a lift: answers that cannot be sent are kept, the next question comes from the copy of the form that was
// fetched while there was a network, and everything goes to the hospital in one piece when the network is back.
import { isEnabled } from "./enable.js";
import * as kept from "./kept.js";

const LONGEST_WAIT = 10000;  // of one request, ms; then the answer counts as not sent
let retry = null, wait = 2000, sending = false, shown = null;

const notice = () => document.querySelector("[data-offline]");
const whole = () => (notice() ? notice().dataset.offline : null);
const token = () => (document.querySelector("[name=csrfmiddlewaretoken]") || {}).value || "";
const questionForm = () => document.querySelector("form[data-question-form]");

/** The copy of the form: pages in order, what makes each be asked, what the hospital knew when it was fetched. */
function copy() {
  const html = kept.form(whole());
  if (!html) return null;
  const page = new DOMParser().parseFromString(html, "text/html");
  const json = (id) => JSON.parse(page.getElementById(id).textContent);
  return { page, logic: json("logic"), given: json("given"), pages: [...page.querySelectorAll("template[data-page]")] };
}

const list = (element, name) => JSON.parse(element.dataset[name]);

function askedPages(found, state) {
  const answers = kept.answersOf(state, found.given);
  return found.pages.filter((one) => list(one, "links").every((link) => isEnabled(found.logic, link, answers)));
}

function say(words) {
  const place = notice();
  if (!place) return;
  place.hidden = !words;
  if (place.textContent !== words) place.textContent = words;
}

// ---- sending ----

function timed(address, options) {
  const end = new AbortController();
  const timer = setTimeout(() => end.abort(), LONGEST_WAIT);
  return fetch(address, { credentials: "same-origin", signal: end.signal, ...options }).finally(() => clearTimeout(timer));
}

/** One page while there is a network. What cannot be sent is kept, and the way goes on without. */
export function send(form) {
  if (form.dataset.busy) return;
  form.dataset.busy = "yes";
  const place = whole(), state = kept.read(place), pairs = pairsOf(form);
  if (!navigator.onLine || kept.waiting(state).length) { keep(form, pairs); return; }
  timed(form.action, { method: "POST", body: new URLSearchParams(new FormData(form)) })
    .then((answer) => {
      if (answer.status >= 500) throw new Error(String(answer.status));
      if (answer.ok && answer.redirected) {
        state.pages[form.dataset.page] = { links: linksOf(form), pairs, sent: true };
        kept.write(place, state);
      }
      return answer.text().then((html) => replace(html, answer.url));
    })
    .catch(() => keep(form, pairs));
}

function pairsOf(form) {
  return [...new FormData(form)].filter(([name]) => name !== "csrfmiddlewaretoken").map(([name, value]) => [name, String(value)]);
}

function linksOf(form) {
  const found = copy();
  const own = found && found.pages.find((one) => one.dataset.page === form.dataset.page);
  if (own) return list(own, "links");
  return [...new Set([...form.elements].map((field) => field.name).filter((name) => name && !["csrfmiddlewaretoken", "not-measured"].includes(name)))];
}

/** The server's page in place of this one, without asking for it a second time. */
function replace(html, url) {
  const page = new DOMParser().parseFromString(html, "text/html");
  if (!page.querySelector("main")) { window.location.assign(url); return; }
  document.title = page.title;
  document.body.replaceWith(page.body);
  if (url !== window.location.href) window.history.pushState(null, "", url);
  shown = null;
  document.dispatchEvent(new Event("careloop:page"));
  begin();
  focusOn();
}

function focusOn() {
  window.scrollTo(0, 0);
  const heading = document.querySelector("main h1");
  if (heading) { heading.tabIndex = -1; heading.focus(); }
}

/** The last step: what was looked at goes to the hospital. Without network it is kept like the answers. */
export function sendAll(form) {
  if (form.dataset.busy) return;
  form.dataset.busy = "yes";
  const place = whole();
  timed(form.action, { method: "POST", body: new URLSearchParams(new FormData(form)) })
    .then((answer) => {
      if (answer.status >= 500) throw new Error(String(answer.status));
      return answer.text().then((html) => replace(html, answer.url));
    })
    .catch(() => { delete form.dataset.busy; finishLater(kept.read(place), place); });
}

function finishLater(state, place) {
  state.finish = true;
  state.key = state.key || randomKey();
  kept.write(place, state);
  if (copy()) showQueued();
  sendKept();
}

/** Everything that waits, in one piece. Again and again until the hospital has it. */
function sendKept() {
  clearTimeout(retry);
  retry = null;
  const place = whole();
  if (!place || sending) return;
  const state = kept.read(place), pages = kept.waiting(state);
  if (!pages.length && !state.finish) { say(""); return; }
  sending = true;
  timed(place, { method: "POST", body: kept.body(state, token()) })
    .then((answer) => {
      if (answer.status >= 500) throw new Error(String(answer.status));
      if (!(answer.headers.get("Content-Type") || "").includes("json")) { window.location.assign(answer.url); return null; }
      return answer.json();
    })
    .then((told) => { sending = false; wait = 2000; if (told) settled(told, place, state, pages); })
    .catch(() => { sending = false; later(); });
}

function settled(told, place, before, pages) {
  const state = kept.read(place);
  if (told.state === "problems") { wrong(told.problems, place, state); return; }
  if (told.state === "done" || told.state === "closed") { kept.forget(); window.location.assign(told.url); return; }
  if (told.state === "refused") { state.finish = false; kept.write(place, state); window.location.assign(told.url); return; }
  pages.forEach((page) => {
    const now = state.pages[page];
    if (now && JSON.stringify(now.pairs) === JSON.stringify(before.pages[page].pairs)) now.sent = true;
  });
  state.key = null;
  kept.write(place, state);
  if (told.state === "danger") { window.location.assign(told.url); return; }
  if (kept.waiting(state).length) { sendKept(); return; }
  say("");
  const next = new URL(told.url, window.location.href).href;
  if (!shown && next !== window.location.href) window.location.assign(next);
}

/** Nothing was stored: the question that is wrong comes again, with the words of the server. */
function wrong(problems, place, state) {
  const first = problems[0];
  state.finish = false;
  state.key = null;
  kept.write(place, state);
  if (!show(first.page)) { delete state.pages[first.page]; kept.write(place, state); window.location.assign(first.url); return; }
  fault(first.text);
  say(notice().dataset.problem);
}

function fault(text) {
  const form = questionForm();
  form.querySelectorAll(".err").forEach((old) => old.remove());
  const line = document.createElement("p");
  line.className = "err";
  line.setAttribute("role", "alert");
  line.textContent = text;
  (form.querySelector("h1").closest("legend") || form.querySelector("h1")).after(line);
}

function later() {
  say(notice() ? notice().dataset.waiting : "");
  clearTimeout(retry);
  retry = setTimeout(sendKept, wait);
  wait = Math.min(30000, wait * 2);
}

// ---- going on without network ----

function keep(form, pairs) {
  delete form.dataset.busy;
  const place = whole(), page = form.dataset.page, found = copy();
  const own = found && found.pages.find((one) => one.dataset.page === page);
  if (own && missing(own, pairs)) { fault(notice().dataset.required); return; }
  hold(form);
  later();
  if (!found) return;  // the copy had not come yet: the answer is kept, the next question waits for the network
  const asked = askedPages(found, kept.read(place)), at = asked.findIndex((one) => one.dataset.page === page);
  const next = asked[at + 1];
  if (next) show(next.dataset.page); else showEnd();
}

/** Remembers the answers of this page as not sent. */
export function hold(form) {
  const state = kept.read(whole());
  state.key = randomKey();
  state.finish = false;
  state.pages[form.dataset.page] = { links: linksOf(form), pairs: pairsOf(form), sent: false };
  kept.write(whole(), state);
}

/** They have arrived by another way: the safety page sends its answer itself. */
export function arrived(form) {
  const state = kept.read(whole()), mine = state.pages[form.dataset.page];
  if (mine) { mine.sent = true; kept.write(whole(), state); }
}

function missing(own, pairs) {
  const skipped = pairs.some(([name]) => name === "not-measured");
  return !skipped && list(own, "required").some((link) => !pairs.some(([name, value]) => name === link && value.trim() !== ""));
}

function randomKey() {
  if (crypto.randomUUID) return crypto.randomUUID();
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  bytes[6] = (bytes[6] & 15) | 64;
  bytes[8] = (bytes[8] & 63) | 128;
  return [...bytes].map((byte, index) => ([4, 6, 8, 10].includes(index) ? "-" : "") + byte.toString(16).padStart(2, "0")).join("");
}

function put(content) {
  const main = document.querySelector("main"), call = main.querySelector("a.call"), wrap = main.parentNode;
  document.querySelectorAll(".bar, #danger, body > template").forEach((old) => old.remove());
  main.textContent = "";
  main.append(content);
  if (call) main.append(call);
  const bar = main.querySelector(".bar");
  if (bar) wrap.append(bar);
  focusOn();
}

/** A question from the copy, filled with what was answered before. False when there is no copy of it. */
function show(key) {
  const found = copy(), state = kept.read(whole());
  if (!found) return false;
  const asked = askedPages(found, state), index = asked.findIndex((one) => one.dataset.page === key);
  if (index < 0) return false;
  const own = asked[index], content = document.importNode(own.content, true);
  const number = content.querySelector("[data-number]");
  number.textContent = number.textContent.replace("{n}", index + 1).replace("{t}", asked.length);
  content.querySelector(".prog i").style.width = `${Math.round((100 * (index + 1)) / asked.length)}%`;
  content.querySelector("[name=csrfmiddlewaretoken]").value = token() || content.querySelector("[name=csrfmiddlewaretoken]").value;
  const back = content.querySelector("[data-before]");
  if (index) back.dataset.page = asked[index - 1].dataset.page; else back.remove();
  fill(content.querySelector("form"), state.pages[key]);
  put(content);
  const rules = list(own, "dangers");
  if (rules.length) {
    const told = document.createElement("script");
    told.type = "application/json";
    told.id = "danger";
    told.textContent = JSON.stringify(rules);
    document.body.append(told);
    found.page.querySelectorAll("template[data-safety]").forEach((one) => {
      const copied = document.importNode(one, true);
      copied.id = `safety-${one.dataset.safety}`;
      document.body.append(copied);
    });
  }
  shown = key;
  window.history.replaceState(null, "", own.dataset.url);
  document.dispatchEvent(new Event("careloop:page"));
  return true;
}

function fill(form, given) {
  if (!given) return;
  [...form.elements].forEach((field) => {
    const values = given.pairs.filter(([name]) => name === field.name).map(([, value]) => value);
    if (field.type === "radio" || field.type === "checkbox") field.checked = values.includes(field.value);
    else if (field.name && field.type !== "hidden") field.value = values[0] || "";
  });
}

function showEnd() {
  const found = copy(), state = kept.read(whole());
  const content = document.importNode(found.page.querySelector("template[data-end]").content, true);
  const rows = content.querySelector("[data-rows]"), row = found.page.querySelector("template[data-row]");
  const asked = askedPages(found, state), answers = kept.answersOf(state, found.given);
  asked.forEach((one) => {
    const line = document.importNode(row.content, true);
    line.querySelector(".sub").textContent = one.dataset.title;
    line.querySelector("b").textContent = list(one, "links").map((link) => words(one, link, answers[link] || [])).filter(Boolean).join(" / ");
    line.querySelector("[data-change]").dataset.page = one.dataset.page;
    rows.append(line);
  });
  content.querySelector("[data-before]").dataset.page = asked[asked.length - 1].dataset.page;
  put(content);
  shown = "end";
}

/** An answer in the words of its option. */
function words(page, link, values) {
  return values.map((value) => {
    const mark = value === "not-measured";
    const field = [...page.content.querySelectorAll("input")].find((one) => one.name === (mark ? "not-measured" : link) && (mark || one.value === value) && one.closest("label"));
    return field ? field.closest("label").textContent.trim() : value;
  }).join("、");
}

function showQueued() {
  put(document.importNode(copy().page.querySelector("template[data-queued]").content, true));
  shown = "queued";
}

document.addEventListener("click", (event) => {
  const to = event.target.closest && event.target.closest("[data-before], [data-change], [data-send-kept]");
  const place = whole();
  if (!to || !place) return;
  const state = kept.read(place);
  if (to.matches("[data-send-kept]")) {
    state.finish = true;
    finishLater(state, place);
    return;
  }
  if (!to.dataset.page && navigator.onLine && !kept.waiting(state).length) return;  // the server's own way back
  let page = to.dataset.page;
  const found = copy();
  if (!page && found && questionForm()) {
    const asked = askedPages(found, state);
    const index = asked.findIndex((one) => one.dataset.page === questionForm().dataset.page);
    page = index > 0 ? asked[index - 1].dataset.page : null;
  }
  if (page && found) { event.preventDefault(); show(page); }
});

window.addEventListener("online", () => { wait = 2000; sendKept(); });
// The browser's own way back, between pages that came without loading.
window.addEventListener("popstate", () => {
  const url = window.location.href;
  timed(url, {}).then((answer) => answer.text().then((html) => replace(html, answer.url))).catch(() => {
    const found = whole() && copy(), own = found && found.pages.find((one) => new URL(one.dataset.url, url).href === url);
    if (own) show(own.dataset.page);
  });
});

/** The copy is fetched once a sitting, when the page stands and nobody waits for it. */
function fetchCopy(place) {
  timed(place, {}).then((answer) => (answer.ok && !answer.redirected ? answer.text() : null)).then((html) => { if (html) kept.keepForm(place, html); }).catch(() => {});
}

/** A page has come: what waits is sent, a copy is fetched; at the end nothing stays on the telephone. */
export function begin() {
  if (document.querySelector("[data-state=done]")) { kept.forget(); return; }
  const place = whole();
  if (!place) return;
  const state = kept.read(place);
  if (kept.waiting(state).length || state.finish) sendKept();
  else if (questionForm() && !kept.form(place)) setTimeout(() => fetchCopy(place), 300);
}

export const forget = kept.forget;
