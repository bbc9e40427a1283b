// A slider only fills the number field beside it. Until somebody touches it there is no answer, wherever its knob stands.
const parts = (box) => ({ way: box.querySelector("input[type=range]"), typed: box.querySelector("[data-slider-typed] input"), words: box.querySelector("[data-slider-words]"), clear: box.querySelector("[data-slide=clear]") });

function say(box) {
  const { way, typed, words, clear } = parts(box), chosen = typed.value.trim() !== "";
  if (chosen) way.value = typed.value;
  box.classList.toggle("open", !chosen);
  words.textContent = (chosen ? box.dataset.chosen.replace("{v}", typed.value) : box.dataset.none).trim();
  way.setAttribute("aria-valuetext", words.textContent);
  clear.hidden = !chosen;
}

function take(box, value) {
  parts(box).typed.value = value;
  const skipped = box.closest("form") && box.closest("form").querySelector("[name=not-measured]");
  if (skipped && value !== "") skipped.checked = false;
  say(box);
}

/** Shows the sliders of the page that has come. The number stays a field of the form, out of sight. */
export function slide() {
  document.querySelectorAll("[data-slider]").forEach((box) => {
    box.querySelector("[data-slider-way]").hidden = false;
    parts(box).words.hidden = false;
    box.querySelector("[data-slider-typed]").hidden = true;
    say(box);
  });
}

const boxOf = (event) => event.target.closest && event.target.closest("[data-slider]");

document.addEventListener("input", (event) => {
  const box = boxOf(event);
  if (box && event.target.type === "range") take(box, event.target.value);
});
// A tap on the very middle, or Enter there, changes no value and is an answer all the same.
document.addEventListener("click", (event) => {
  const box = boxOf(event);
  if (!box) return;
  const button = event.target.closest("[data-slide]"), { way } = parts(box);
  if (event.target === way) { take(box, way.value); return; }
  if (!button) return;
  if (button.dataset.slide === "clear") { take(box, ""); way.value = (Number(way.min) + Number(way.max)) / 2; way.focus(); say(box); return; }
  if (Number(button.dataset.slide) < 0) way.stepDown(); else way.stepUp();
  take(box, way.value);
});
document.addEventListener("keydown", (event) => {
  const box = boxOf(event);
  if (!box || event.target.type !== "range" || (event.key !== "Enter" && event.key !== " ")) return;
  event.preventDefault();
  take(box, event.target.value);
});
