// Staff pages. Loaded last: htmx is configured, Alpine starts when every module has registered its data.
import htmx from "htmx.org/dist/htmx.esm.js";
import Alpine from "@alpinejs/csp";

window.htmx = htmx;
window.Alpine = Alpine;

htmx.config.allowEval = false;
htmx.config.includeIndicatorStyles = false;
htmx.config.selfRequestsOnly = true;
htmx.config.historyCacheSize = 0; // shared PCs: no page of a patient stays in the browser's storage
htmx.config.scrollBehavior = "auto";
htmx.config.defaultSettleDelay = 0; // what has come listens at once: no key of somebody quick is lost in between
// 422 = the form again with its errors, where it stood; 409 = the domain said no, shown above the page.
htmx.config.responseHandling = [
  { code: "204", swap: false },
  { code: "[23]..", swap: true },
  { code: "422", swap: true },
  { code: "409", swap: true, error: true, target: "#refusals", swapOverride: "innerHTML" },
  { code: "[45]..", swap: false, error: true },
];

document.addEventListener("htmx:afterSwap", (event) => {
  if (event.detail.target.id === "refusals") event.detail.target.scrollIntoView({ block: "nearest" });
});
document.addEventListener("htmx:beforeRequest", (event) => {
  const refusals = document.getElementById("refusals");
  if (refusals && event.detail.requestConfig.verb !== "get") refusals.textContent = "";
});

Alpine.start();
