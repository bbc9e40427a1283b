// Answers of a patient that could not be sent yet. They stay in this tab only (ux.md: sessionStorage, phones are lent) and
// are forgotten when the hospital has them. `whole` is the address they go to; every form has its own.
const MINE = "careloop.answers.", FORM = "careloop.form.";

export function read(whole) {
  try {
    const found = JSON.parse(sessionStorage.getItem(MINE + whole) || "null");
    if (found && found.pages) return found;
  } catch (wrong) { /* spoiled: begin again */ }
  return { key: null, pages: {}, finish: false };
}

export function write(whole, state) {
  try { sessionStorage.setItem(MINE + whole, JSON.stringify(state)); } catch (full) { return false; }
  return true;
}

export function form(whole) { return sessionStorage.getItem(FORM + whole); }
export function keepForm(whole, html) { try { sessionStorage.setItem(FORM + whole, html); } catch (full) { /* goes on with the network only */ } }

export function forget() {
  Object.keys(sessionStorage).filter((name) => name.startsWith(MINE) || name.startsWith(FORM)).forEach((name) => sessionStorage.removeItem(name));
}

/** Pages whose answers the hospital does not have. */
export const waiting = (state) => Object.keys(state.pages).filter((page) => !state.pages[page].sent);

/** linkId → texts, as enable.js wants it: what the hospital knew, then what was answered in this tab. */
export function answersOf(state, given) {
  const all = { ...given };
  Object.values(state.pages).forEach(({ links, pairs }) => {
    links.forEach((link) => {
      const typed = pairs.filter(([name, value]) => name === link && value.trim() !== "").map(([, value]) => value);
      const skipped = pairs.some(([name]) => name === "not-measured");
      if (typed.length || skipped) all[link] = typed.length ? typed : ["not-measured"];
      else delete all[link];
    });
  });
  return all;
}

/** The body of one sending. */
export function body(state, token) {
  const sent = new URLSearchParams();
  sent.set("csrfmiddlewaretoken", token);
  sent.set("key", state.key);
  sent.set("finish", state.finish ? "1" : "0");
  waiting(state).forEach((page) => {
    const { links, pairs } = state.pages[page];
    const skipped = pairs.some(([name]) => name === "not-measured");
    links.forEach((link) => {
      const typed = pairs.filter(([name]) => name === link);
      if (skipped && !typed.some(([, value]) => value.trim() !== "")) sent.append("not-measured", link);
      else if (typed.length) typed.forEach(([, value]) => sent.append(link, value));
      else sent.append(link, "");
    });
  });
  return sent;
}
