// Dialogs and <details class="menu">: [data-dialog="id"] opens, [data-close] closes, Escape and a click outside close a menu.
document.addEventListener("click", (event) => {
  const opener = event.target.closest("[data-dialog]");
  if (opener) {
    const dialog = document.getElementById(opener.dataset.dialog);
    if (dialog && !dialog.open) dialog.showModal();
  }
  const closer = event.target.closest("[data-close]");
  if (closer && closer.closest("dialog")) closer.closest("dialog").close();
  if (event.target.tagName === "DIALOG") event.target.close();
  document.querySelectorAll("details.menu[open]").forEach((menu) => {
    if (!menu.contains(event.target)) menu.open = false;
  });
});

document.addEventListener("keydown", (event) => {
  if (event.key !== "Escape") return;
  const open = document.querySelector("details.menu[open]");
  if (open) {
    open.open = false;
    open.querySelector("summary").focus();
    event.preventDefault();
  }
  document.querySelectorAll(".omni-results").forEach((list) => { list.textContent = ""; });
});

// A dialog that the server sends as a fragment opens itself.
document.addEventListener("htmx:afterSettle", (event) => {
  const dialog = event.target.querySelector && event.target.querySelector("dialog[data-open-now]");
  if (dialog && !dialog.open) dialog.showModal();
});

// Print buttons and links out of a whole row; a control inside the row keeps its own click.
document.addEventListener("click", (event) => {
  if (event.target.closest("[data-print]")) window.print();
  const row = event.target.closest("[data-row][data-href]");
  if (row && !event.target.closest("a, button, input, label, summary")) window.location.assign(row.dataset.href);
});

// What scrolls and holds nothing to tab to is reached by the keyboard itself (WCAG 2.1.1); older browsers do not do it.
const HELD = "a[href], button:not([disabled]), input:not([type=hidden]), select, textarea, summary, [tabindex='0']";
function reachScrolling() {
  document.querySelectorAll(".scroll").forEach((box) => {
    if (box.scrollHeight > box.clientHeight && !box.querySelector(HELD)) box.tabIndex = 0;
  });
}
window.addEventListener("load", reachScrolling);
document.addEventListener("htmx:afterSettle", reachScrolling);
