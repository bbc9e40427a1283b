// An answer that is spoken: recorded here, listened to, and sent as a file of the form. Where nothing can be recorded
// (no https, no microphone, an old browser) the words field stands alone and the page says why.
const KINDS = ["audio/webm;codecs=opus", "audio/mp4", "audio/ogg;codecs=opus"];
let running = null;

const part = (box, name) => box.querySelector(`[data-${name}]`);
const clock = (seconds) => `${Math.floor(seconds / 60)}:${String(Math.floor(seconds % 60)).padStart(2, "0")}`;
const able = () => window.isSecureContext && navigator.mediaDevices && navigator.mediaDevices.getUserMedia && window.MediaRecorder && window.DataTransfer && KINDS.some((kind) => MediaRecorder.isTypeSupported(kind));

export function voice() {
  if (running) running.end();
  document.querySelectorAll("[data-voice]").forEach((box) => {
    part(box, "recorder").hidden = !able();
    part(box, "no-recorder").hidden = Boolean(able());
  });
}

function show(box, name) {
  part(box, "record").hidden = name !== "record";
  part(box, "stop").hidden = name !== "stop";
  part(box, "replay").hidden = part(box, "again").hidden = name !== "replay";
}

function record(box) {
  const words = part(box, "voice-words");
  navigator.mediaDevices.getUserMedia({ audio: true }).then((stream) => {
    const recorder = new MediaRecorder(stream, { mimeType: KINDS.find((kind) => MediaRecorder.isTypeSupported(kind)), audioBitsPerSecond: 32000 });
    const pieces = [], began = Date.now(), most = Number(box.dataset.seconds);
    const seconds = () => Math.min(most, (Date.now() - began) / 1000);
    const tell = () => { words.textContent = box.dataset.running.replace("{t}", clock(seconds())); if (seconds() >= most) running.end(); };
    recorder.addEventListener("dataavailable", (event) => { if (event.data.size) pieces.push(event.data); });
    recorder.addEventListener("stop", () => done(box, new Blob(pieces, { type: recorder.mimeType.split(";")[0] }), seconds()));
    const ticking = setInterval(tell, 500);
    running = { end() { running = null; clearInterval(ticking); if (recorder.state !== "inactive") recorder.stop(); stream.getTracks().forEach((track) => track.stop()); } };
    recorder.start();
    show(box, "stop");
    tell();
    part(box, "stop").focus();
  }).catch(() => { words.textContent = box.dataset.refused; });
}

function done(box, blob, seconds) {
  const words = part(box, "voice-words"), replay = part(box, "replay");
  if (blob.size > Number(box.dataset.bytes)) { forget(box); words.textContent = box.dataset.long; return; }
  const carried = new DataTransfer();
  carried.items.add(new File([blob], "voice", { type: blob.type }));
  part(box, "voice-file").files = carried.files;
  replay.src = URL.createObjectURL(blob);
  show(box, "replay");
  words.textContent = box.dataset.ready.replace("{t}", clock(seconds));
}

function forget(box) {
  const replay = part(box, "replay");
  if (replay.src) URL.revokeObjectURL(replay.src);
  replay.removeAttribute("src");
  part(box, "voice-file").value = "";
  show(box, "record");
}

document.addEventListener("click", (event) => {
  const button = event.target.closest && event.target.closest("[data-record], [data-stop], [data-again]");
  const box = button && button.closest("[data-voice]");
  if (!box) return;
  if (button.matches("[data-record]")) record(box);
  else if (button.matches("[data-stop]")) { if (running) running.end(); }
  else { forget(box); part(box, "voice-words").textContent = ""; part(box, "record").focus(); }
});
window.addEventListener("pagehide", () => { if (running) running.end(); });
// Sent while it still records: the recording ends and is there to be heard; the next tap sends it.
document.addEventListener("submit", (event) => {
  if (!running) return;
  event.preventDefault();
  event.stopImmediatePropagation();
  running.end();
}, true);
