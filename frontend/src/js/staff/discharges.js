// The discharge drawer. htmx brings and changes it; this keeps the place, the focus and the chosen row.
const drawer = () => document.getElementById("drawer");
const rows = () => [...document.querySelectorAll("#discharge-list [data-row]")];
let scrolled = 0;
let focused = "";
let shown = ""; // the discharge in the drawer

function body() {
  return drawer() && drawer().querySelector(".drw-b");
}

function mark() {
  rows().forEach((row) => {
    const on = row.dataset.encounter === shown;
    row.setAttribute("aria-selected", String(on));
    row.tabIndex = on ? 0 : -1;
  });
  if (!rows().some((row) => row.tabIndex === 0) && rows()[0]) rows()[0].tabIndex = 0;
}

function close() {
  const row = rows().find((one) => one.dataset.encounter === shown);
  drawer().textContent = "";
  drawer().hidden = true;
  shown = "";
  mark();
  const next = row || rows()[0];
  if (next) { next.tabIndex = 0; next.focus(); }
}

function arrived() {
  const inside = drawer().querySelector("[data-discharge]");
  drawer().hidden = !inside;
  if (!inside) { shown = ""; mark(); return; }
  const isNew = inside.dataset.discharge !== shown;
  shown = inside.dataset.discharge;
  mark();
  if (isNew) {
    const first = inside.querySelector("[data-confirm]") || inside.querySelector("[data-drawer-close]");
    first.focus({ preventScroll: true });
  } else {
    body().scrollTop = scrolled;
    const again = focused && document.getElementById(focused);
    if (again) again.focus({ preventScroll: true });
  }
}

// After a decision the list is drawn again: go on with the next one that waits.
function listed() {
  mark();
  if (shown) return;
  const next = rows().find((row) => row.dataset.state === "open") || rows()[0];
  if (next) { rows().forEach((row) => { row.tabIndex = row === next ? 0 : -1; }); next.focus({ preventScroll: true }); }
}

if (drawer()) {
  document.addEventListener("htmx:beforeSwap", (event) => {
    if (event.detail.target !== drawer() || !body()) return;
    scrolled = body().scrollTop;
    focused = document.activeElement ? document.activeElement.id : "";
  });
  document.addEventListener("htmx:afterSettle", (event) => {
    if (event.target === drawer()) arrived();
    if (event.target.id === "discharge-list") listed();
  });
  // The QR code stays while the numbers are asked again, until the number is proven.
  document.addEventListener("htmx:beforeSwap", (event) => {
    const poll = event.detail.requestConfig && event.detail.requestConfig.elt;
    if (!poll || !poll.matches || !poll.matches("[data-keep-qr]")) return;
    const code = document.querySelector("#drawer-numbers [data-qr]");
    const before = document.querySelectorAll('#drawer-numbers [data-trust="verified"]').length;
    const after = (event.detail.serverResponse.match(/data-trust="verified"/g) || []).length;
    if (code && after <= before) event.detail.shouldSwap = false;
  });
  document.addEventListener("click", (event) => {
    if (event.target.closest("[data-drawer-close]")) close();
  });
  document.addEventListener("discharges", (event) => {
    if (event.detail.open) {
      shown = "";
      window.htmx.ajax("GET", `/discharges/${event.detail.open}/`, { target: "#drawer", swap: "innerHTML" });
    }
  });
  const first = drawer().querySelector("[data-discharge]");
  if (first) shown = first.dataset.discharge;
  mark();
  const begin = rows().find((row) => row.tabIndex === 0);
  if (begin && !shown) begin.focus({ preventScroll: true });
}
