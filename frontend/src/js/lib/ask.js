// One way to talk to the server: same origin, with the CSRF token, plain form fields.

export class Refusal extends Error {
  constructor(status, text) {
    super(text);
    this.status = status;
  }
}

function token() {
  const headers = document.body.getAttribute("hx-headers"); // the shell keeps the token there for htmx, too
  return headers ? JSON.parse(headers)["X-CSRFToken"] || "" : "";
}

async function answer(response) {
  const body = await response.text();
  if (response.redirected && /\/login/.test(response.url)) {
    location.reload(); // the session ended: the login page brings us back here
    throw new Refusal(401, "");
  }
  if (!response.ok) throw new Refusal(response.status, body);
  return { body, headers: response.headers, json: () => JSON.parse(body) };
}

export async function get(url) {
  return answer(await fetch(url, { credentials: "same-origin", headers: { "X-Requested-With": "fetch" } }));
}

export async function post(url, fields = {}) {
  const body = new URLSearchParams();
  Object.entries(fields).forEach(([name, value]) => {
    (Array.isArray(value) ? value : [value]).forEach((one) => body.append(name, one));
  });
  return answer(await fetch(url, {
    method: "POST",
    credentials: "same-origin",
    headers: { "X-CSRFToken": token(), "X-Requested-With": "fetch" },
    body,
  }));
}

/** The words of a refusal (409) or of a wrong form (422) as plain text, whatever the fragment around it looks like. */
export function wordsOf(error) {
  if (!(error instanceof Refusal)) return "";
  const holder = document.createElement("template");
  holder.innerHTML = error.message;
  const said = holder.content.querySelector("[data-message]") || holder.content;
  return said.textContent.trim();
}
