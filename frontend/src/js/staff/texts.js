// The few sentences scripts show come translated with the page (<script type="application/json" id="ui-texts">).
let texts = null;

export function text(key) {
  if (texts === null) {
    const source = document.getElementById("ui-texts");
    texts = source ? JSON.parse(source.textContent) : {};
  }
  return texts[key] || "";
}
