// Live events. One stream per browser: a SharedWorker holds it and tells every tab over a BroadcastChannel (HTTP/1.1 allows
// six connections per host; one stream per tab would freeze the seventh). Without SharedWorker, or when the stream is down,
// a poll every 15 s. An event {type, id} arrives on <body> as "live:TYPE"; fragments say
// hx-trigger="live:alert from:body, live:poll from:body". Events carry ids only.
const POLL = 15000;
const config = document.body ? document.body.dataset : {};
let streaming = false;

function announce(type, detail) {
  document.body.dispatchEvent(new CustomEvent(`live:${type}`, { bubbles: true, detail }));
}

function receive(message) {
  if (message.kind === "up") streaming = true;
  else if (message.kind === "down") streaming = false;
  else if (message.kind === "event") announce(message.event.type, message.event);
}

function listen() {
  if (!config.liveUrl) return;
  if (window.SharedWorker && window.BroadcastChannel) {
    new BroadcastChannel("careloop-live").onmessage = (event) => receive(event.data);
    const worker = new SharedWorker(config.liveWorker, { name: "careloop-live" });
    worker.port.start();
    worker.port.postMessage({ url: config.liveUrl });
    window.addEventListener("pagehide", () => worker.port.postMessage({ bye: true }));
  }
  setInterval(() => {
    if (!streaming && !document.hidden) announce("poll", {});
  }, POLL);
}

listen();
