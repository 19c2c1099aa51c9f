// The backup servers with their datastores.

import { concernsOf, makeProblemLine } from "./concerns.js";
import { bytes, clock, duration, elapsed, instant, percent, printable, uptime } from "./format.js";
import { fits, parseFilter } from "./order.js";
import { find, icon, keep, make, panelAddress, setData, setIcon, setText } from "./page.js";
import { troubleText } from "./server-words.js";
import { sizeCell, usageFigure } from "./storage.js";
import { barCell, setTitle } from "./table.js";

/** Draws the backup servers that fit the filter, each with its datastores. */
export function drawServers(state, view, now) {
  const alternatives = parseFilter(view.q);
  const servers = [...state.pbs.values()].filter((server) => {
    const names = server.datastores.map((store) => store.name);
    return fits([server.name, server.host, server.status, ...names].join("\n").toLowerCase(), alternatives);
  });
  const told = servers.map((server) => ({ server, concerns: concernsOf(state, server.id), now }));
  keep(find("servers"), told, ({ server }) => server.id, makeServer);
  const note = find("no-servers");
  note.hidden = servers.length > 0;
  if (servers.length > 0) return;
  if (state.pbs.size > 0) setText(note, `No backup server or datastore has “${printable(view.q)}” in its name.`);
  else setText(note, "No backup server is connected. Add one under Nodes.");
}

function makeServer() {
  const svg = icon("unknown");
  const word = make("span");
  const status = make("span", { class: "status" }, svg, word);
  const name = make("a", { class: "card-name" }, make("bdi"));
  const facts = make("p", { class: "quiet" });
  const stores = make("tbody");
  const head = make("tr", {}, ...["Datastore", "Usage", "Used", "Free", "Total"].map((text) => make("th", { scope: "col" }, text)));
  const caption = make("caption", { class: "aside" });
  const table = make("table", { class: "grid stores" }, caption, make("thead", {}, head), stores);
  const none = make("p", { class: "no-rows" });
  const problems = makeProblemLine();
  const root = make("li", { class: "server" }, make("div", { class: "card-head" }, name, status), facts, problems.root, table, none);
  const write = ({ server, concerns, now }) => {
    problems.write(concerns, panelAddress(server.id));
    const isOnline = server.status === "online" && !server.stale;
    setData(root, "state", isOnline ? "online" : "stale");
    status.dataset.status = isOnline ? "running" : "offline";
    setIcon(svg, isOnline ? "running" : "offline");
    setText(word, server.status === "online" && server.stale ? "stale" : printable(server.status));
    setText(name.firstElementChild, printable(server.name));
    name.setAttribute("href", panelAddress(server.id));
    setText(caption, `Datastores of ${printable(server.name)}`);
    setText(facts, serverFacts(server, isOnline, now));
    table.hidden = server.datastores.length === 0;
    none.hidden = server.datastores.length > 0;
    setText(none, "No datastore is listed: there is none, or the account lacks the privilege Datastore.Audit on /datastore, without which Proxmox leaves them out.");
    keep(stores, server.datastores, (store) => store.name, makeStore);
  };
  return { root, write };
}

function serverFacts(server, isOnline, now) {
  const parts = [server.host];
  if (!isOnline) {
    const seen = instant(server.lastSeen);
    parts.push(seen === null ? "has not answered yet" : `last seen ${clock(seen, now)}, ${duration(elapsed(seen, now))} ago`);
    return printable(parts.join(" · "));
  }
  if (/^\d/.test(server.version)) parts.push(`PBS ${server.version}`);
  if (server.uptime > 0) parts.push(`up ${uptime(server.uptime)}`);
  if (server.memoryTotal > 0) parts.push(`CPU ${percent(server.cpu * 100)}`, `memory ${percent(server.memory)} of ${bytes(server.memoryTotal)}`);
  return printable(parts.join(" · "));
}

function makeStore() {
  const name = make("bdi", { class: "name" });
  const problem = make("span", { class: "store-problem" });
  const comment = make("bdi", { class: "store-comment quiet small" });
  const usage = barCell(usageFigure)();
  const sizes = ["used", "free", "total"].map((field) => ({ field, cell: sizeCell(field)() }));
  const root = make(
    "tr",
    {},
    make("th", { scope: "row", class: "c-name" }, name, problem, comment),
    make("td", { class: "c-usage" }, ...usage.content),
    ...sizes.map(({ field, cell }) => make("td", { class: `c-${field}` }, ...cell.content)),
  );
  const write = (store) => {
    setText(name, printable(store.name));
    const trouble = troubleText(store);
    setText(problem, trouble);
    setTitle(problem, trouble);
    problem.hidden = problem.textContent === "";
    setData(problem, "tone", store.status === "unavailable" ? "" : "warn");
    setText(comment, printable(store.comment ?? ""));
    comment.hidden = comment.textContent === "";
    usage.write(store);
    for (const { cell } of sizes) cell.write(store);
  };
  return { root, write };
}
