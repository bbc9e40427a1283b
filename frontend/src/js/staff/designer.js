// Form designer, and the editor of opinion tables (whose rows are cards too). Every change is a small post that answers with the designer as it is now (htmx). Here: dragging with its
// drop places, ↑↓ between the cards, Alt+↑↓ to move one, Delete, the live count of the patient's wording, suggestions.

const root = () => document.getElementById("designer");
let dragged = null;
let scrolled = 0;
let panelScrolled = 0;

function cards() {
  return root() ? [...root().querySelectorAll("[data-card]")] : [];
}

function state() {
  const found = {};
  new FormData(document.getElementById("designer-state")).forEach((value, name) => { found[name] = value; });
  return found;
}

function change(values) {
  if (!root() || root().dataset.status !== "editing") return;
  window.htmx.ajax("POST", root().dataset.change, { source: root(), target: "#designer", swap: "outerHTML", values: { ...state(), ...values } });
}

/** What a card is called in a change: a question has its linkId, a row its number. */
const keyName = () => root().dataset.keyName || "link";

/** Where something new goes: behind the chosen card, or at the end of the chosen section. */
function place() {
  const now = state().selected;
  if (!now) {
    const sections = root().querySelectorAll("[data-section]:not([data-section=''])");
    return sections.length ? { into: sections[sections.length - 1].dataset.section } : {};
  }
  return root().querySelector(`[data-section="${CSS.escape(now)}"]`) ? { into: now } : { after: now };
}

function add(tile, where) {
  const values = JSON.parse(tile.dataset.add);
  change({ ...values, ...(values.kind === "group" ? { after: where.after || "" } : where) });
}

document.addEventListener("click", (event) => {
  if (!root()) return;
  const tile = event.target.closest("[data-tile]");
  if (tile) { add(tile, place()); return; }
  const card = event.target.closest("[data-card]");
  if (card && !event.target.closest("button, a, input, textarea, select, label")) {
    event.stopPropagation();
    choose(card);
  }
});

function choose(card) {
  if (card.classList.contains("on")) return;
  window.htmx.trigger(card, "choose-card");  // not "select": a browser says that of marked text in a field inside the card
}

document.addEventListener("keydown", (event) => {
  const card = event.target.matches && event.target.matches("[data-card]") ? event.target : null;
  if (!card) return;
  const all = cards();
  const by = { ArrowDown: 1, ArrowUp: -1 }[event.code];
  if (by && event.altKey) {
    event.preventDefault();
    change({ op: root().dataset.move || "move", [keyName()]: card.dataset.card, way: by < 0 ? "up" : "down", selected: card.dataset.card });
  } else if (by) {
    event.preventDefault();
    const next = all[all.indexOf(card) + by];
    if (next) next.focus();
  } else if (event.code === "Enter" || event.code === "Space") {
    event.preventDefault();
    choose(card);
  } else if (event.code === "Delete") {
    event.preventDefault();
    change({ op: root().dataset.remove || "remove", [keyName()]: card.dataset.card });
  }
});

// ---- dragging -------------------------------------------------------------------------------------------------------

function showPlaces(on) {
  root().querySelectorAll("[data-drop]").forEach((one) => { one.hidden = !on; });
}

document.addEventListener("dragstart", (event) => {
  if (!root() || !event.target.closest) return;
  const tile = event.target.closest("[data-tile]");
  const card = event.target.closest("[data-card]");
  if (!tile && !card) return;
  dragged = tile ? { tile } : { link: card.dataset.card };
  event.dataTransfer.effectAllowed = tile ? "copy" : "move";
  event.dataTransfer.setData("text/plain", "");
  setTimeout(() => showPlaces(true), 0);
});

document.addEventListener("dragover", (event) => {
  if (dragged && event.target.closest && event.target.closest("[data-drop], [data-card]")) event.preventDefault();
});

document.addEventListener("drop", (event) => {
  const target = event.target.closest && event.target.closest("[data-drop], [data-card]");
  if (!dragged || !target) return;
  event.preventDefault();
  const where = target.hasAttribute("data-drop") ? JSON.parse(target.dataset.drop) : { after: target.dataset.card };
  if (dragged.tile) add(dragged.tile, where);
  else if (dragged.link !== where.after) change({ op: "drop", link: dragged.link, selected: dragged.link, ...where });
});

document.addEventListener("dragend", () => {
  dragged = null;
  if (root()) showPlaces(false);
});

// ---- small things ---------------------------------------------------------------------------------------------------

document.addEventListener("input", (event) => {
  const holder = event.target.closest && event.target.closest("[data-counted]");
  if (!holder) return;
  const most = Number(holder.dataset.counted);
  const count = [...event.target.value].length;
  const shown = holder.querySelector("[data-count]");
  shown.textContent = `${count} / ${most}`;
  shown.classList.toggle("over", count > most);
});

/** A value is typed, or taken from the options of the chosen question. */
function suggest(form) {
  const source = form.querySelector("[data-question-select]");
  const field = form.querySelector("[name=value]");
  if (!source || !field) return;
  const holder = source.options ? source.options[source.selectedIndex] : source;
  const options = holder && holder.dataset.options ? JSON.parse(holder.dataset.options) : [];
  const now = field.matches("select");
  if (!options.length && !now) return;
  const made = document.createElement(options.length ? "select" : "input");
  made.className = "fld";
  made.name = "value";
  made.setAttribute("aria-label", field.getAttribute("aria-label"));
  options.forEach(([code, words]) => made.add(new Option(words, code)));
  field.replaceWith(made);
}

function arrive() {
  if (!root()) return;
  root().querySelectorAll("form.build").forEach(suggest);
  const canvas = root().querySelector("[data-canvas]");
  if (canvas) canvas.scrollTop = scrolled;
  const panel = root().querySelector(".pr");
  if (panel) panel.scrollTop = panelScrolled;
}

document.addEventListener("change", (event) => {
  if (event.target.matches && event.target.matches("select[data-question-select]")) suggest(event.target.form);
});

document.addEventListener("htmx:beforeSwap", (event) => {
  if (event.detail.target.id !== "designer") return;
  scrolled = root().querySelector("[data-canvas]").scrollTop;
  const panel = root().querySelector(".pr");
  panelScrolled = panel ? panel.scrollTop : 0;
});

document.addEventListener("htmx:afterSettle", (event) => {
  if (event.detail.target.id !== "designer" && !event.target.closest("#designer")) return;
  arrive();
  const chosen = root().querySelector(".dq.on");
  const busy = document.activeElement && document.activeElement.closest("#designer .pr, [data-palette]");
  if (chosen && !busy) {
    chosen.focus({ preventScroll: true });
    chosen.scrollIntoView({ block: "nearest" });
  }
});

arrive();
