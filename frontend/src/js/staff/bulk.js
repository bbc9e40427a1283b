// Rows with boxes and the bar above them: how many are chosen, this page at once, all that match.
// [data-bulk="<how many match>"] is the form; without a script the boxes and the button work all the same.

function count(form) {
  const all = form.querySelector("[data-bulk-all]");
  const boxes = [...form.querySelectorAll('input[name="row"]')];
  const chosen = boxes.filter((box) => box.checked).length;
  const n = all && all.checked ? Number(form.dataset.bulk) : chosen;
  const words = form.querySelector("[data-bulk-count]");
  if (words) {
    if (!words.dataset.none) words.dataset.none = words.textContent;
    words.textContent = n ? `✓ ${n.toLocaleString()}` : words.dataset.none;
    words.dataset.bulkCount = String(n);
  }
  const go = form.querySelector("[data-bulk-go]");
  if (go) go.disabled = !n;
  const page = form.querySelector("[data-bulk-page]");
  if (page) {
    page.checked = boxes.length > 0 && chosen === boxes.length;
    page.indeterminate = chosen > 0 && chosen < boxes.length;
  }
  boxes.forEach((box) => {
    box.disabled = Boolean(all && all.checked);
  });
}

export function startBulk(root = document) {
  root.querySelectorAll("form[data-bulk]").forEach(count);
}

document.addEventListener("change", (event) => {
  const form = event.target.closest("form[data-bulk]");
  if (!form) return;
  if (event.target.matches("[data-bulk-page]")) {
    form.querySelectorAll('input[name="row"]').forEach((box) => {
      box.checked = event.target.checked;
    });
  }
  count(form);
});

document.addEventListener("htmx:load", (event) => startBulk(event.detail.elt.parentElement || document));
document.addEventListener("DOMContentLoaded", () => startBulk());
