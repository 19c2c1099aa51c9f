// A table of containers that reads the original protocol of /ws: the smallest client there can be.

import { feedAddress, signInIfRefused } from "./page.js";
import { bytes, clock, instant, percent, printable, rate, UNKNOWN, uptime } from "./format.js";

const rows = document.getElementById("simple-stats-rows");
const status = document.getElementById("simple-stats-status");
const LONGEST_WAIT_MS = 30000;

/** Returns the texts of a row; figures only while the container runs. */
function textsOf(guest) {
  const isRunning = guest.status === "running";
  const memory = guest.memory.total ? `${bytes(guest.memory.used)} of ${bytes(guest.memory.total)}` : UNKNOWN;
  return [
    guest.name || String(guest.vmid),
    guest.stale ? `${guest.status}, stale` : guest.status,
    isRunning ? percent(guest.cpu * 100) : UNKNOWN,
    isRunning ? memory : UNKNOWN,
    ...["networkIn", "networkOut", "diskRead", "diskWrite"].map((field) => (isRunning ? rate(guest[field]) : UNKNOWN)),
    isRunning ? uptime(guest.uptime) : UNKNOWN,
  ].map(printable);
}

function rowOf(guest) {
  const row = document.createElement("tr");
  textsOf(guest).forEach((text, index) => {
    const cell = document.createElement(index === 0 ? "th" : "td");
    if (index === 0) cell.scope = "row";
    if (index > 1) cell.className = "figures";
    cell.textContent = text;
    row.append(cell);
  });
  return row;
}

function show(state) {
  rows.replaceChildren(...state.containers.map(rowOf));
  const at = instant(state.lastUpdate);
  const age = at === null ? "" : `, as of ${clock(at, Date.now())}`;
  const count = state.containers.length;
  say(count ? `${count} container${count === 1 ? "" : "s"}${age}` : "No container is known.");
}

function say(text) {
  if (status.textContent !== text) status.textContent = text;
}

let waitMs = 1000;

function connect() {
  const socket = new WebSocket(feedAddress());
  let wasOpen = false;
  socket.addEventListener("open", () => (wasOpen = true));
  socket.addEventListener("message", (event) => {
    const message = JSON.parse(event.data);
    if (message.type !== "initialState" && message.type !== "rawData") return;
    waitMs = 1000;
    show(message.data);
  });
  socket.addEventListener("close", () => {
    if (!wasOpen) signInIfRefused();
    say("The connection is lost, trying again… The figures below are those of before.");
    setTimeout(connect, waitMs);
    waitMs = Math.min(waitMs * 2, LONGEST_WAIT_MS);
  });
}

connect();
