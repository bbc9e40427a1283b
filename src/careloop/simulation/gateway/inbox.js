// Keeps the phone up to date: asks for the count, loads the page again when it changed and nobody is typing.
const thread = document.getElementById("thread");
const field = document.querySelector("input[name=text]");
if (thread) thread.scrollTop = thread.scrollHeight;

async function look() {
  if (document.hidden) return;
  try {
    const { version } = await (await fetch("/demo/version")).json();
    const shown = document.body.dataset.version;
    document.body.dataset.version = version;
    if (shown !== undefined && shown !== String(version) && !(field && field.value)) location.reload();
  } catch {
    // The gateway is being restarted: look again at the next tick.
  }
}
look();
setInterval(look, 2000);
