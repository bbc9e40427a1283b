// Patient search in the top bar: ↑ ↓ walk through the hits, Enter opens the chosen one (the first, if none is chosen).
const hits = (box) => [...box.querySelectorAll(".omni-results a")];

document.addEventListener("keydown", (event) => {
  const box = event.target.closest && event.target.closest(".omni");
  if (!box || event.isComposing) return;
  const links = hits(box);
  if (!links.length) return;
  const at = links.indexOf(document.activeElement);
  if (event.key === "ArrowDown") links[Math.min(at + 1, links.length - 1)].focus();
  else if (event.key === "ArrowUp") (at <= 0 ? box.querySelector("input") : links[at - 1]).focus();
  else if (event.key === "Enter" && at < 0) links[0].click();
  else return;
  event.preventDefault();
});
