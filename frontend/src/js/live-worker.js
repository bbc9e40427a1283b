// Holds the one event stream of this browser. EventSource reconnects by itself; after a refusal we try again in 15 s.
const channel = new BroadcastChannel("careloop-live");
const ports = new Set();
let source = null;

function open(url) {
  if (source) return;
  source = new EventSource(url);
  source.onopen = () => channel.postMessage({ kind: "up" });
  source.onmessage = (message) => channel.postMessage({ kind: "event", event: JSON.parse(message.data) });
  source.onerror = () => {
    channel.postMessage({ kind: "down" });
    if (source && source.readyState === EventSource.CLOSED) {
      source = null;
      setTimeout(() => { if (ports.size) open(url); }, 15000);
    }
  };
}

self.onconnect = (event) => {
  const port = event.ports[0];
  ports.add(port);
  port.onmessage = (message) => {
    if (message.data.bye) {
      ports.delete(port);
      if (!ports.size && source) { source.close(); source = null; }
    } else {
      open(message.data.url);
      if (source && source.readyState === EventSource.OPEN) channel.postMessage({ kind: "up" });
    }
  };
  port.start();
};
