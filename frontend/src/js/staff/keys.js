// Keyboard. A key is bound in the markup: data-key="F9", "Alt+A", "Ctrl+K", "?", "/". Pressing it clicks (or focuses) the
// element. Matched by event.code, so a Chinese input method cannot swallow it. The topmost [data-layer] owns the keys.
// data-shortcuts="off" on <body> switches every single-key shortcut off (personal setting; WCAG 2.1.4).

const CODES = { "/": "Slash", "?": "Shift+Slash" };

export function nameOf(event) {
  const parts = [];
  if (event.ctrlKey || event.metaKey) parts.push("Ctrl");
  if (event.altKey) parts.push("Alt");
  if (event.shiftKey) parts.push("Shift");
  let code = event.code || event.key;
  if (/^Key[A-Z]$/.test(code)) code = code.slice(3);
  if (/^Digit[0-9]$/.test(code)) code = code.slice(5);
  if (/^Numpad[0-9]$/.test(code)) code = code.slice(6);
  if (code === "NumpadEnter") code = "Enter";
  parts.push(code);
  return parts.join("+");
}

export function wanted(binding) {
  return binding.split(" ").map((one) => CODES[one] || one);
}

function typing(target) {
  if (!target || !target.matches) return false;
  if (target.isContentEditable || target.matches("textarea, select")) return true;
  return target.matches("input") && !["radio", "checkbox", "button", "submit"].includes(target.type);
}

function visible(element) {
  return element.getClientRects().length > 0 && !element.disabled;
}

function topLayer() {
  const open = [...document.querySelectorAll("dialog[open], [data-layer]")].filter(visible);
  return open.length ? open[open.length - 1] : null;
}

function find(name) {
  const scopes = [topLayer(), document].filter(Boolean);
  for (const scope of scopes) {
    const hit = [...scope.querySelectorAll("[data-key]")].find((el) => visible(el) && wanted(el.dataset.key).includes(name));
    if (hit) return hit;
    if (scope.tagName === "DIALOG") return null;
  }
  return null;
}

function press(element) {
  if (element.matches("input:not([type=radio]):not([type=checkbox]), textarea, select")) {
    element.focus();
    if (element.select) element.select();
  } else {
    element.click();
  }
}

// Digits choose an option only while its question has the focus: [data-digits] holds options with data-digit="1".
function digit(event, name) {
  if (!/^[0-9]$/.test(name)) return false;
  const group = event.target.closest && event.target.closest("[data-digits]");
  const option = group && group.querySelector(`[data-digit="${name}"]:not([disabled])`);
  if (!option || typing(event.target)) return false;
  option.click();
  return true;
}

// ↑ ↓ walk through the rows of a list ([data-rows] with tabindex rows), Enter opens.
function walk(event, name) {
  const list = event.target.closest && event.target.closest("[data-rows]");
  if (!list || typing(event.target)) return false;
  const rows = [...list.querySelectorAll("[data-row]")].filter(visible);
  const at = rows.indexOf(event.target.closest("[data-row]"));
  if (name === "ArrowDown" || name === "ArrowUp") {
    const next = rows[Math.min(rows.length - 1, Math.max(0, at + (name === "ArrowDown" ? 1 : -1)))];
    if (next) next.focus();
    return Boolean(next);
  }
  if (name === "Enter" && at >= 0 && event.target === rows[at]) {
    const open = rows[at].querySelector("[data-open-row]") || rows[at];
    if (open.dataset.href) window.location.assign(open.dataset.href);
    else open.click();
    return true;
  }
  return false;
}

document.addEventListener("keydown", (event) => {
  if (event.defaultPrevented || event.isComposing) return;
  const name = nameOf(event);
  if (digit(event, name) || walk(event, name)) { event.preventDefault(); return; }
  const single = !/^(F\d+|Ctrl\+|Alt\+|Escape)/.test(name);
  if (single && (typing(event.target) || document.body.dataset.shortcuts === "off")) return;
  const target = find(name);
  if (target) { event.preventDefault(); press(target); }
});
