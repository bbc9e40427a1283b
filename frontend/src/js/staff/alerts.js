// Alerts: countdowns that run ([data-countdown] is the deadline; the words come from the server), and rows that open the
// pane beside the list. The chosen row stays marked when the list fetches itself again.
function two(number) {
  return String(number).padStart(2, "0");
}

export function words(seconds, texts) {
  const rest = Math.abs(Math.trunc(seconds));
  const minutes = Math.floor(rest / 60);
  const clock = minutes < 60
    ? `${minutes}:${two(rest % 60)}`
    : texts.hours.replace("{}", `${Math.floor(minutes / 60)}:${two(minutes % 60)}`);
  return (seconds < 0 ? texts.over : texts.left).replace("{}", clock);
}

function tick() {
  if (document.hidden) return;
  document.querySelectorAll("[data-countdown]").forEach((place) => {
    const seconds = (Date.parse(place.dataset.countdown) - Date.now()) / 1000;
    place.textContent = words(seconds, place.dataset);
    place.classList.toggle("over", seconds < 0);
  });
}

function mark() {
  const open = document.querySelector("#alert-pane [data-alert]");
  document.querySelectorAll("[data-alert-rows] [data-row]").forEach((row) => {
    row.classList.toggle("sel", Boolean(open) && row.dataset.alert === open.dataset.alert);
  });
}

setInterval(tick, 1000);
document.addEventListener("htmx:afterSettle", () => { mark(); tick(); });
document.addEventListener("click", (event) => {
  const row = event.target.closest("[data-alert-rows] [data-row]");
  if (row && !event.target.closest("a, button")) row.querySelector("[data-open-row]").click();
});
