// Says when the network is gone and sends again what could not be sent: the last unsent request of each form or field
// waits in memory only (shared PCs), and goes out when the network is back.
const unsent = new Map();

function show() {
  document.documentElement.classList.toggle("is-offline", !navigator.onLine || unsent.size > 0);
  const count = document.getElementById("unsent-count");
  if (count) count.textContent = unsent.size ? String(unsent.size) : "";
}

function retry() {
  const waiting = [...unsent.values()];
  unsent.clear();
  show();
  for (const { element, config } of waiting) {
    if (!document.contains(element)) continue;
    window.htmx.ajax(config.verb.toUpperCase(), config.path, {
      source: element, target: config.target, values: config.unfilteredParameters, headers: config.headers,
    });
  }
}

document.addEventListener("htmx:sendError", (event) => {
  const config = event.detail.requestConfig;
  if (config.verb === "get") return;
  unsent.set(event.detail.elt, { element: event.detail.elt, config });
  show();
});
document.addEventListener("htmx:afterRequest", (event) => { if (event.detail.successful && unsent.size) retry(); });
window.addEventListener("online", retry);
window.addEventListener("offline", show);
document.addEventListener("click", (event) => { if (event.target.closest("[data-retry]")) retry(); });
