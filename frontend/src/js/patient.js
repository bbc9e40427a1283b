// Patient pages work without this file. It adds: large letters, reading the question aloud, the safety page at once, and
// going on without network (lib/lift.js).
import { arrived, begin, forget, hold, send as sendPage, sendAll } from "./lib/lift.js";

(function start() {
  const root = document.documentElement;

  // 大字: remembered by the server (cookie); the button is a form, here it answers without a new page.
  document.addEventListener("submit", (event) => {
    const form = event.target;
    if (form.matches("[data-large]")) {
      event.preventDefault();
      const large = root.classList.toggle("xl");
      form.querySelector("[name=large]").value = large ? "0" : "1";
      form.querySelector("button").setAttribute("aria-pressed", String(large));
      fetch(form.action, { method: "POST", credentials: "same-origin", body: send(form, large), redirect: "manual" }).catch(() => {});
      return;
    }
    // A second tap on a slow line must not send twice; the server would forgive it anyway.
    if (form.dataset.sent) { event.preventDefault(); return; }
    form.dataset.sent = "yes";
    setTimeout(() => { delete form.dataset.sent; }, 8000);
  });

  function send(form, large) {
    const body = new FormData(form);
    body.set("large", large ? "1" : "0");
    return body;
  }

  // 听题: only where the phone can speak.
  const speaker = window.speechSynthesis;
  function mayListen() {
    if (speaker) document.querySelectorAll("[data-speak]").forEach((button) => { button.hidden = false; });
  }
  document.addEventListener("click", (event) => {
    const button = event.target.closest && event.target.closest("[data-speak]");
    if (!button || !speaker) return;
    if (speaker.speaking) { speaker.cancel(); return; }
    const words = new SpeechSynthesisUtterance(button.dataset.speak);
    words.lang = root.lang || "zh-CN";
    words.rate = 0.85;
    speaker.speak(words);
  });
  document.addEventListener("careloop:page", () => { if (speaker) speaker.cancel(); mayListen(); });
  mayListen();
  window.addEventListener("pagehide", () => { if (speaker) speaker.cancel(); });

  // The safety page travels with the question: a dangerous answer shows it before the network is asked.
  document.addEventListener("submit", (event) => {
    const rules = document.getElementById("danger");
    if (!rules || event.defaultPrevented || !event.target.matches("[data-question-form]")) return;
    const values = new FormData(event.target);
    const hit = JSON.parse(rules.textContent).find((rule) => dangerous(rule, values));
    if (!hit) return;
    event.preventDefault();
    showSafety(hit.id, event.target);
  });

  function dangerous(rule, values) {
    return values.getAll(rule.field).some((value) => {
      if (rule.answer !== null) return value === rule.answer;
      const number = Number(value);
      return value.trim() !== "" && number >= rule.low && number <= rule.high;
    });
  }

  function showSafety(id, form) {
    const page = document.getElementById(`safety-${id}`);
    const main = document.querySelector("main");
    const token = form.querySelector("[name=csrfmiddlewaretoken]");
    main.textContent = "";
    main.append(page.content.cloneNode(true));
    document.querySelectorAll(".bar").forEach((bar) => bar.remove());
    window.scrollTo(0, 0);
    const heading = main.querySelector("h1");
    if (heading) { heading.tabIndex = -1; heading.focus(); }
    deliver(form, token, 0);
  }

  // The answer still has to reach the hospital: send until it does, and say so while it does not.
  function deliver(form, token, tries) {
    fetch(form.action, { method: "POST", credentials: "same-origin", body: new FormData(form), headers: { "X-Requested-With": "fetch" } })
      .then((answer) => {
        if (!answer.ok && answer.status >= 500) throw new Error(String(answer.status));
        arrived(form);
        return answer.text().then((html) => ({ html, url: answer.url }));
      })
      .then(({ html, url }) => {
        const page = new DOMParser().parseFromString(html, "text/html");
        const fresh = page.querySelector("main[data-safety]");
        if (!fresh) { window.location.assign(url); return; }
        document.querySelector("main").replaceWith(fresh);
        window.history.replaceState(null, "", url);
      })
      .catch(() => {
        if (form.dataset.whole) hold(form);
        const waiting = document.querySelector("[data-unsent]");
        if (waiting) waiting.hidden = false;
        setTimeout(() => deliver(form, token, tries + 1), Math.min(30000, 2000 * 2 ** tries));
      });
  }

  // One page of a form, sent without a new page so that what cannot be sent is not lost. Pictures go the plain way.
  document.addEventListener("submit", (event) => {
    const form = event.target, by = event.submitter;
    if (form.action.endsWith("/leave/")) forget();
    if (event.defaultPrevented || !form.matches("[data-whole]")) return;
    if (form.matches("[data-send-form]")) { event.preventDefault(); sendAll(form); return; }
    const plain = form.enctype === "multipart/form-data" || (by && by.name);
    const notice = document.querySelector("[data-offline]");
    if (plain && navigator.onLine) return;
    event.preventDefault();
    delete form.dataset.sent;
    if (!plain) { sendPage(form); return; }
    notice.textContent = notice.dataset.pictures;
    notice.hidden = false;
  });
  begin();
})();
