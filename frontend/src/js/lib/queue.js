// Answers that could not be sent wait here, in this tab only, in order, until the server has them.
// sessionStorage, because hospital computers are shared: it ends with the tab and is wiped at logout.

const KEY = "careloop.unsent";

function read() {
  try {
    return JSON.parse(sessionStorage.getItem(KEY) || "[]");
  } catch (error) {
    return [];
  }
}

function write(items) {
  if (items.length) sessionStorage.setItem(KEY, JSON.stringify(items));
  else sessionStorage.removeItem(KEY);
}

export function waiting() {
  return read().length;
}

export function wipe() {
  sessionStorage.removeItem(KEY);
}

/** A later answer to the same question replaces an earlier one that has not left yet. */
export function keep(item) {
  write([...read().filter((other) => other.id !== item.id), item]);
}

let running = Promise.resolve();

/** Send everything in order; calls wait for each other, so after `await drain(…)` nothing is on its way any more.
    `send(item)` resolves when the server has it, rejects with `refused` when it never will. Gives back what is left. */
export function drain(send) {
  running = running.then(() => round(send));
  return running;
}

async function round(send) {
  for (let item = read()[0]; item; item = read()[0]) {
    try {
      await send(item);
    } catch (error) {
      if (!error.refused) break;
    }
    // Remove exactly what was sent: the user may have changed the answer meanwhile.
    write(read().filter((other) => !(other.id === item.id && other.stamp === item.stamp)));
  }
  return waiting();
}
