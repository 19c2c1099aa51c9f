// The dialogs about nodes: the list of connections, adding and changing one, deleting one. Nothing is sent with a
// credential before a person has confirmed the certificate of the host.

import { instant, printable } from "./format.js";
import { find, icon, keep, make, request, setIcon, setText, toast } from "./page.js";

const KINDS = { pve: "Proxmox VE", pbs: "Backup Server", pmg: "Mail Gateway" };
const HINTS = {
  pve: "Name or IP address; port 8006 unless you give another. One member stands for its whole cluster.",
  pbs: "Name or IP address; port 8007 unless you give another.",
  pmg: "Name or IP address; port 8006 unless you give another. A mail gateway knows no API tokens: give it a user with the role Auditor.",
};
const PLACEHOLDERS = {
  pve: { host: "pve1.example.net", tokenName: "pulse@pve!monitor", user: "pulse@pve" },
  pbs: { host: "backup.example.net", tokenName: "pulse@pbs!monitor", user: "pulse@pbs" },
  pmg: { host: "mail.example.net", tokenName: "", user: "pulse@pmg" },
};

for (const dialog of document.querySelectorAll("dialog")) {
  for (const button of dialog.querySelectorAll("[data-close]")) button.addEventListener("click", () => dialog.close());
}

/** Tells the dashboard that a connection was added, changed or deleted. */
function tellChanged() {
  document.dispatchEvent(new CustomEvent("pulse:changed"));
}

function notice(state, ...content) {
  const name = { bad: "problem", warn: "problem", ok: "ok" }[state];
  return make("div", { class: "notice", "data-state": state }, icon(name), make("div", {}, ...content));
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
    Edit: () => changeNode(shown),
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
  if (instance.status === "error") return ["offline", "login refused", "offline"];
  if (!instance.failingSince) return ["stale", "waiting", "clock"];
  return ["offline", "no answer", "offline"];
}

function factsOf(instance) {
  const parts = [KINDS[instance.type], instance.host];
  if (instance.isCluster) parts.push(`cluster ${instance.clusterName} of ${(instance.clusterEndpoints ?? []).length}`);
  const who = instance.hasPassword && !instance.hasToken ? `user ${instance.user}` : `token ${instance.tokenName ?? ""}`;
  parts.push(who.trim(), instance.fingerprint ? "certificate pinned" : instance.verifySSL ? "certificate verified" : "certificate not checked");
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
    tellChanged();
  } catch (error) {
    find("delete-problem").replaceChildren(notice("bad", printable(error.message)));
  } finally {
    button.disabled = false;
  }
});

// --- Add and change ------------------------------------------------------------------------------------------------

const form = find("form");
const fields = form.elements;
/** The instance that is changed, null while one is added. */
let edited = null;
/** What is known of the host's certificate: `answer` for `key` (kind and address), `isConfirmed` by a person. */
let shown = { key: "", answer: null, isConfirmed: false };

/** Opens the form for a new connection. */
export function addNode() {
  openForm(null);
}

function changeNode(instance) {
  openForm(instance);
}

function openForm(instance) {
  edited = instance;
  form.reset();
  setText(find("form-title"), instance ? `Change ${printable(instance.name)}` : "Add a node");
  if (instance) fill(instance);
  for (const input of form.querySelectorAll('[name="type"]')) input.disabled = instance !== null;
  forgetCertificate();
  showResult();
  clearProblems();
  follow();
  find("node-form").showModal();
  fields.host.focus();
}

function fill(instance) {
  fields.type.value = instance.type;
  fields.host.value = instance.host;
  fields.name.value = instance.name;
  fields.auth.value = instance.hasPassword && !instance.hasToken ? "password" : "token";
  fields.tokenName.value = instance.tokenName ?? "";
  fields.user.value = instance.user ?? "";
  fields.monitorSmart.checked = instance.monitorSmart ?? false;
}

/** Makes hints, fields and buttons fit what is chosen. */
function follow() {
  const kind = fields.type.value;
  setText(find("host-hint"), HINTS[kind]);
  for (const [name, text] of Object.entries(PLACEHOLDERS[kind])) fields[name].placeholder = text;
  // A mail gateway knows no tokens.
  const isMail = kind === "pmg";
  if (isMail) fields.auth.value = "password";
  find("ways").hidden = isMail;
  find("smart").hidden = isMail;
  for (const part of form.querySelectorAll("[data-auth]")) part.hidden = part.dataset.auth !== fields.auth.value;
  const kept = edited ? "unchanged" : "";
  fields.tokenValue.placeholder = edited?.hasToken ? kept : "";
  fields.password.placeholder = edited?.hasPassword ? kept : "";
  if (shown.key && shown.key !== hostKey()) forgetCertificate();
  find("save").hidden = !isReady();
  find("test").classList.toggle("primary", !isReady());
}

function hostKey() {
  return `${fields.type.value} ${fields.host.value.trim()}`;
}

function isPlain() {
  return /^http:/i.test(fields.host.value.trim());
}

/** Whether a save sends a credential only to a host whose certificate somebody vouched for. */
function isReady() {
  const isSameHost = edited && fields.host.value.trim() === edited.host && (edited.fingerprint || edited.verifySSL);
  return isPlain() || Boolean(isSameHost) || (shown.isConfirmed && shown.key === hostKey());
}

form.addEventListener("input", () => {
  showResult();
  follow();
});

form.addEventListener("submit", (event) => {
  event.preventDefault();
  clearProblems();
  if (event.submitter?.value === "save") save();
  else test();
});

/** Runs one step with the buttons at rest, and shows what it says when it fails. */
async function step(words, act) {
  const buttons = [find("test"), find("save")];
  for (const button of buttons) button.disabled = true;
  showResult(make("p", { class: "quiet" }, words));
  try {
    await act();
  } catch (error) {
    showProblem(error);
  } finally {
    for (const button of buttons) button.disabled = false;
  }
}

/** Asks for the certificate first; with a confirmed one tries the login. */
async function test() {
  if (!isReady()) {
    await step("Asking the host for its certificate…", async () => {
      const key = hostKey();
      const answer = await request("POST", "/api/config/nodes/certificate", { type: fields.type.value, host: fields.host.value });
      shown = { key, answer, isConfirmed: false };
      showCertificate(answer);
      showResult();
    });
    return;
  }
  await step("Signing in to the host…", async () => {
    const key = hostKey();
    const answer = needsNewSecret()
      ? await request("POST", "/api/config/nodes/test-connection", wanted())
      : await testAsStored();
    if (hostKey() !== key) {
      showResult(); // the answer is of a host that is not in the form any more
      follow();
      return;
    }
    showResult(notice("ok", make("p", {}, printable(answer.message))));
    find("save").hidden = false;
    find("save").focus();
  });
}

/** Whether the credential in the form is complete by itself: a stored secret never comes back to the page. */
function needsNewSecret() {
  if (!edited) return true;
  return fields.auth.value === "token" ? fields.tokenValue.value !== "" : fields.password.value !== "";
}

async function testAsStored() {
  const answer = await request("POST", `/api/config/nodes/${encodeURIComponent(edited.id)}/test`);
  if (answer.status === "error") throw new Error(answer.message);
  return { message: `${answer.message} with the stored credential` };
}

async function save() {
  await step("Saving…", async () => {
    const path = edited ? `/api/config/nodes/${encodeURIComponent(edited.id)}` : "/api/config/nodes";
    const answer = await request(edited ? "PUT" : "POST", path, wanted());
    find("node-form").close();
    toast(printable(answer.message ?? "Saved."));
    tellChanged();
  });
}

/** Returns the body that the form asks for; secrets only when they were typed. */
function wanted() {
  const body = { type: fields.type.value, host: fields.host.value.trim(), name: fields.name.value.trim() };
  if (fields.auth.value === "token") {
    body.tokenName = fields.tokenName.value.trim();
    if (fields.tokenValue.value) body.tokenValue = fields.tokenValue.value.trim();
  } else {
    body.user = fields.user.value.trim();
    if (fields.password.value) body.password = fields.password.value;
  }
  if (body.type !== "pmg") body.monitorSmart = fields.monitorSmart.checked;
  return shown.answer && shown.key === hostKey() ? { ...body, ...trust() } : body;
}

/** Returns how the certificate is checked from now on: by the authorities of the system, or this one alone. */
function trust() {
  const isPinned = fields.trust?.value !== "system";
  return isPinned ? { fingerprint: shown.answer.fingerprint, verifySSL: false } : { fingerprint: "", verifySSL: true };
}

// --- The certificate ------------------------------------------------------------------------------------------------

function forgetCertificate() {
  shown = { key: "", answer: null, isConfirmed: false };
  const place = find("certificate");
  place.replaceChildren();
  place.hidden = true;
}

function showCertificate(answer) {
  const place = find("certificate");
  const confirm = make("button", { type: "button", class: "button primary" }, answer.trusted ? "Go on" : "It is the right one");
  confirm.addEventListener("click", () => {
    shown.isConfirmed = true;
    confirm.remove();
    follow();
    test();
  });
  place.replaceChildren(
    make("div", { class: "certificate" }, make("h3", {}, "Is this the certificate of the host?"), certificateFacts(answer), ...trustOptions(answer), make("div", {}, confirm)),
  );
  place.hidden = false;
  place.scrollIntoView({ block: "nearest" });
  confirm.focus();
}

function certificateFacts(answer) {
  const until = instant(answer.notAfter);
  const facts = [
    ["SHA-256", make("bdi", { class: "fingerprint" }, printable(answer.fingerprint))],
    ["Issued to", make("bdi", {}, printable(answer.subject))],
    ["Issued by", make("bdi", {}, printable(answer.issuer))],
    ["Valid until", until === null ? printable(answer.notAfter) : new Date(until).toLocaleDateString("en-GB", { day: "numeric", month: "long", year: "numeric" })],
  ];
  const list = make("dl", {});
  for (const [name, value] of facts) list.append(make("dt", {}, name), make("dd", {}, value));
  return list;
}

function trustOptions(answer) {
  if (!answer.trusted) {
    const where = fields.type.value === "pmg" ? "the gateway's page under Configuration, Certificates" : fields.type.value === "pbs" ? "the dashboard of the backup server under “Show Fingerprint”" : "the node's page under System, Certificates";
    return [make("p", { class: "quiet small" }, `No authority that this system knows vouches for it. Compare the fingerprint with the one on ${where}; Pulse then accepts this certificate and no other.`)];
  }
  const option = (value, isChecked, text) => make("label", {}, make("input", { type: "radio", name: "trust", value, checked: isChecked }), make("span", {}, text));
  return [
    make("div", { class: "options" },
      option("system", true, "Accept what the authorities of this system vouch for; a renewal needs nothing from you."),
      option("pin", false, "Accept this certificate and no other; a renewal has to be confirmed here."),
    ),
  ];
}

// --- What the form says ----------------------------------------------------------------------------------------------

function showResult(...content) {
  find("result").replaceChildren(...content);
}

function showProblem(error) {
  for (const [name, problem] of Object.entries(error.details ?? {})) markField(name, problem);
  showResult(notice("bad", make("p", {}, printable(error.message))));
  const first = form.querySelector('[aria-invalid="true"]');
  if (first) first.focus();
  else find("result").scrollIntoView({ block: "nearest" });
}

function markField(name, problem) {
  const place = form.querySelector(`[data-field="${CSS.escape(name)}"]`);
  const input = place?.querySelector("input:not([type=radio])");
  if (!input) return;
  const text = make("p", { class: "problem-text", id: `${input.id}-problem` }, printable(problem));
  place.append(text);
  input.setAttribute("aria-invalid", "true");
  input.dataset.describedby = input.getAttribute("aria-describedby") ?? "";
  input.setAttribute("aria-describedby", `${input.dataset.describedby} ${text.id}`.trim());
}

function clearProblems() {
  for (const text of form.querySelectorAll(".problem-text")) text.remove();
  for (const input of form.querySelectorAll('[aria-invalid="true"]')) {
    input.removeAttribute("aria-invalid");
    if (input.dataset.describedby) input.setAttribute("aria-describedby", input.dataset.describedby);
    else input.removeAttribute("aria-describedby");
  }
}
