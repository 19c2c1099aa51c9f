// The dialogs about nodes: the list of connections, and deleting one.

import { instant, printable } from "./format.js";
import { find, icon, keep, make, request, setIcon, setText, toast } from "./page.js";
import { fullTime, silenceTexts } from "./words.js";

const KINDS = { pve: "Proxmox VE", pbs: "Backup Server", pmg: "Mail Gateway" };

for (const dialog of document.querySelectorAll("dialog")) {
  for (const button of dialog.querySelectorAll("[data-close]")) button.addEventListener("click", () => dialog.close());
}

// --- The list ----------------------------------------------------------------------------------------------------

/** Shows the list of connections. */
export function showNodes(instances) {
  find("list-problem").replaceChildren();
  drawConnections(instances);
  find("node-list").showModal();
}

document.addEventListener("pulse:instances", (event) => drawConnections(event.detail));

function drawConnections(instances) {
  keep(find("connections"), instances, (instance) => instance.id, makeConnection);
}

function makeConnection() {
  let shown = null;
  const name = make("bdi", { class: "card-name" });
  const svg = icon("unknown");
  const word = make("span");
  const status = make("span", { class: "status" }, svg, word);
  const facts = make("p", { class: "facts" });
  const told = make("p", { class: "told", role: "status" });
  const reading = make("button", { type: "button", class: "button text" }, "What may Pulse see?", make("span", { class: "aside" }));
  reading.addEventListener("click", async () => (await import("./access.js")).showAccess(shown));
  const buttons = {
    Test: () => testStored(shown, told),
    Edit: async () => (await import("./node-form.js")).openForm(shown),
    Delete: () => askToDelete(shown),
  };
  const actions = make("div", { class: "actions" }, reading);
  for (const [label, act] of mayChange() ? Object.entries(buttons) : []) {
    const button = make("button", { type: "button", class: "button text" }, label, make("span", { class: "aside" }));
    button.addEventListener("click", act);
    actions.append(button);
  }
  const head = make("div", { class: "card-head" }, name, status);
  const root = make("li", { class: "connection" }, head, actions, facts, told);
  const write = (instance) => {
    if (shown && JSON.stringify(shown) === JSON.stringify(instance)) return;
    shown = instance;
    setText(name, printable(instance.name));
    const [state, text, iconName] = stateOf(instance);
    status.dataset.status = state;
    setIcon(svg, iconName);
    setText(word, text);
    setText(facts, factsOf(instance));
    setText(told, instance.paused ? "" : printable(instance.statusMessage ?? ""));
    for (const button of actions.children) setText(button.lastElementChild, ` ${printable(instance.name)}`);
  };
  return { root, write };
}

/** Whether the page offers to change nodes: only then the server put the button to add one into it. */
function mayChange() {
  return document.querySelector("[data-node-list] [data-add-node]") !== null;
}

function stateOf(instance) {
  if (instance.paused) return ["paused", "paused", "paused"];
  if (instance.status === "connected") return ["running", "connected", "running"];
  if (instance.status !== "error" && !instance.failingSince) return ["stale", "waiting", "clock"];
  return ["offline", silenceTexts(instance)[1], "offline"];
}

function pinText({ certificateRenewed }) {
  const at = instant(certificateRenewed ?? "");
  return at === null ? "certificate pinned" : `certificate pinned, renewed by its authority on ${fullTime(at)}`;
}

function factsOf(instance) {
  const parts = [KINDS[instance.type], instance.host];
  if (instance.isCluster) parts.push(`cluster ${instance.clusterName} of ${(instance.clusterEndpoints ?? []).length}`);
  const who = instance.hasPassword && !instance.hasToken ? `user ${instance.user}` : `token ${instance.tokenName ?? ""}`;
  parts.push(who.trim(), instance.fingerprint ? pinText(instance) : instance.verifySSL ? "certificate verified" : "certificate not checked");
  return printable(parts.join(" · "));
}

async function testStored(instance, told) {
  setText(told, "Testing…");
  try {
    const answer = await request("POST", `/api/config/nodes/${encodeURIComponent(instance.id)}/test`);
    setText(told, printable(answer.message));
  } catch (error) {
    setText(told, printable(error.message));
  }
}

// --- Delete ------------------------------------------------------------------------------------------------------

let doomed = null;

function askToDelete(instance) {
  doomed = instance;
  setText(find("delete-title"), `Delete ${printable(instance.name)}?`);
  const what = { pbs: "its datastores and backups", pmg: "its figures" }[instance.type] ?? "its nodes, guests and storages";
  setText(
    find("delete-text"),
    `Pulse forgets the connection, its stored credential and ${what} at once. Nothing changes on the host itself. ` +
      "To have it back, add it again with its token or password.",
  );
  find("delete-problem").replaceChildren();
  find("node-delete").showModal();
}

find("delete-confirm").addEventListener("click", async (event) => {
  const button = event.currentTarget;
  button.disabled = true;
  try {
    await request("DELETE", `/api/config/nodes/${encodeURIComponent(doomed.id)}`);
    find("node-delete").close();
    toast(`${printable(doomed.name)} is deleted.`);
    document.dispatchEvent(new CustomEvent("pulse:changed"));
  } catch (error) {
    find("delete-problem").replaceChildren(make("div", { class: "notice", "data-state": "bad" }, icon("problem"), make("div", {}, printable(error.message))));
  } finally {
    button.disabled = false;
  }
});
