// A table of containers that reads the original protocol of /ws: the smallest client there can be.
// @ts-check

const UNITS = ["B", "KiB", "MiB", "GiB", "TiB"];

/** Bytes as text; negative is "no rate yet". @param {number} value */
function bytes(value) {
  if (value < 0) return "—";
  let unit = 0;
  while (value >= 1024 && unit < UNITS.length - 1) {
    value /= 1024;
    unit += 1;
  }
  return `${unit === 0 ? Math.round(value) : value.toFixed(1)} ${UNITS[unit]}`;
}

/** Bytes per second as text. @param {number} value */
function rate(value) {
  return value < 0 ? "—" : `${bytes(value)}/s`;
}

/** Show the containers of a state. @param {{containers: any[], lastUpdate: string}} state */
function show(state) {
  const rows = state.containers.map((guest) => {
    const row = document.createElement("tr");
    const cells = [
      guest.name || String(guest.vmid),
      guest.stale ? `${guest.status} (old)` : guest.status,
      `${(guest.cpu * 100).toFixed(1)} %`,
      `${bytes(guest.memory.used)} of ${bytes(guest.memory.total)}`,
      rate(guest.networkIn),
      rate(guest.networkOut),
      rate(guest.diskRead),
      rate(guest.diskWrite),
    ];
    for (const text of cells) {
      const cell = document.createElement("td");
      cell.textContent = text;
      row.append(cell);
    }
    return row;
  });
  document.getElementById("simple-stats-rows")?.replaceChildren(...rows);
  say(rows.length ? `As of ${new Date(state.lastUpdate).toLocaleTimeString()}` : "No containers");
}

/** @param {string} text */
function say(text) {
  const status = document.getElementById("simple-stats-status");
  if (status) status.textContent = text;
}

let wait = 1000;

function connect() {
  const socket = new WebSocket(`${location.protocol === "https:" ? "wss" : "ws"}://${location.host}/ws`);
  socket.addEventListener("message", (event) => {
    const message = JSON.parse(event.data);
    if (message.type === "initialState" || message.type === "rawData") {
      wait = 1000;
      show(message.data);
    }
  });
  socket.addEventListener("close", () => {
    say("Connection lost, trying again…");
    setTimeout(connect, wait);
    wait = Math.min(wait * 2, 30000);
  });
}

connect();
