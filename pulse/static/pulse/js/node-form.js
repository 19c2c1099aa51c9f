// The form to add or change a node. Nothing is sent with a credential before a person has confirmed the host's certificate.

import { render } from "../vendor/preact.mjs";
import { instant, printable } from "./format.js";
import { Check, Choice, Field, html, icon, notice } from "./forms.js";
import { find, request, toast } from "./page.js";

const KINDS = [["pve", "Proxmox VE"], ["pbs", "Backup Server"], ["pmg", "Mail Gateway"]];
const WAYS = [["token", "API token"], ["password", "Password"]];
const HINTS = {
  pve: "Name or IP address; port 8006 unless you give another. One member stands for its whole cluster.",
  pbs: "Name or IP address; port 8007 unless you give another.",
  pmg: "Name or IP address; port 8006 unless you give another. A mail gateway knows no API tokens: give it a user with the role Auditor.",
};
const PLACEHOLDERS = {
  pve: { host: "pve1.example.net", tokenName: "pulse@pve!monitor", user: "pulse@pve" },
  pbs: { host: "backup.example.net", tokenName: "pulse@pbs!monitor", user: "pulse@pbs" },
  pmg: { host: "mail.example.net", user: "pulse@pmg" },
};
const FINGERPRINT_IS = {
  pve: "the node's page under System, Certificates",
  pbs: "the dashboard of the backup server under “Show Fingerprint”",
  pmg: "the gateway's page under Configuration, Certificates",
};
const NEW = { type: "pve", host: "", name: "", auth: "token", tokenName: "", tokenValue: "", user: "", password: "", monitorSmart: false, trust: "system" };
/** What is known of the host's certificate: `answer` for `key` (kind and address), `isConfirmed` by a person. */
const NO_CERTIFICATE = { key: "", answer: null, isConfirmed: false };
const CLOSED = { edited: null, values: NEW, certificate: NO_CERTIFICATE, problems: {}, told: null, isBusy: false };

const dialog = find("node-form");
let state = CLOSED;

/** Opens the form for an instance, or for a new connection. */
export function openForm(edited = null) {
  const auth = edited?.hasPassword && !edited.hasToken ? "password" : "token";
  const { type, host, name, tokenName = "", user = "", monitorSmart = false } = edited ?? NEW;
  state = { ...CLOSED, edited, values: { ...NEW, type, host, name, auth, tokenName, user, monitorSmart } };
  draw();
  dialog.showModal();
  dialog.querySelector("[name=host]").focus();
}

dialog.addEventListener("close", () => {
  if (dialog.open) return; // told late: it is open again
  state = CLOSED; // with the secrets that were typed
  render(null, dialog);
});

function set(changes) {
  if (!dialog.open) return; // an answer that nobody waits for any more
  state = { ...state, ...changes };
  draw();
}

function change({ target }) {
  const values = { ...state.values, [target.name]: target.type === "checkbox" ? target.checked : target.value };
  if (values.type === "pmg") values.auth = "password"; // it knows no tokens
  const isSameHost = state.certificate.key === keyOf(values);
  set({ values, certificate: isSameHost ? state.certificate : NO_CERTIFICATE, told: null });
}

function keyOf({ type, host }) {
  return `${type} ${host.trim()}`;
}

/** Whether a save sends a credential only to a host whose certificate somebody vouched for. */
function isReady({ edited, values, certificate }) {
  const host = values.host.trim();
  const isVouched = edited && host === edited.host && (edited.fingerprint || edited.verifySSL);
  return /^http:/i.test(host) || Boolean(isVouched) || (certificate.isConfirmed && certificate.key === keyOf(values));
}

function submit(event) {
  event.preventDefault();
  if (event.submitter?.value === "save") save();
  else if (isReady(state)) signIn();
  else askForCertificate();
}

/** Runs one step with the buttons at rest, then shows what it says or why it failed, and goes on where `next` is. */
async function step(words, act, next) {
  set({ isBusy: true, problems: {}, told: html`<p class="quiet">${words}</p>` });
  try {
    const told = await act();
    set({ isBusy: false, told });
    dialog.querySelector(next)?.focus();
  } catch (error) {
    set({ isBusy: false, problems: error.details ?? {}, told: notice("bad", error.message) });
    const field = dialog.querySelector('[aria-invalid="true"]');
    if (field) field.focus();
    else dialog.querySelector("[data-result]")?.scrollIntoView({ block: "nearest" });
  }
}

function askForCertificate() {
  return step("Asking the host for its certificate…", async () => {
    const { type, host } = state.values;
    const key = keyOf(state.values);
    const answer = await request("POST", "/api/config/nodes/certificate", { type, host });
    if (keyOf(state.values) !== key) return null; // the answer is of a host that is not in the form any more
    set({ certificate: { key, answer, isConfirmed: false }, values: { ...state.values, trust: answer.trusted ? "system" : "pin" } });
    return null;
  }, "[data-confirm]");
}

function confirm() {
  set({ certificate: { ...state.certificate, isConfirmed: true } });
  signIn();
}

function signIn() {
  return step("Signing in to the host…", async () => {
    const key = keyOf(state.values);
    const answer = needsNewSecret(state) ? await request("POST", "/api/config/nodes/test-connection", wanted(state)) : await testAsStored(state.edited);
    return keyOf(state.values) === key ? notice("ok", answer.message) : null;
  }, "[data-save]");
}

/** Whether the address is another one: the stored secret was not given for it. */
function isMoved({ edited, values }) {
  return edited !== null && values.host.trim() !== edited.host;
}

/** Whether the credential in the form has to be complete by itself: a stored secret never comes back to the page. */
function needsNewSecret({ edited, values }) {
  return !edited || isMoved({ edited, values }) || (values.auth === "token" ? values.tokenValue : values.password) !== "";
}

async function testAsStored(edited) {
  const answer = await request("POST", `/api/config/nodes/${encodeURIComponent(edited.id)}/test`);
  if (answer.status === "error") throw new Error(answer.message);
  return { message: `${answer.message} with the stored credential` };
}

function save() {
  return step("Saving…", async () => {
    const { edited } = state;
    const path = edited ? `/api/config/nodes/${encodeURIComponent(edited.id)}` : "/api/config/nodes";
    const answer = await request(edited ? "PUT" : "POST", path, wanted(state));
    dialog.close();
    toast(printable(answer.message ?? "Saved."));
    document.dispatchEvent(new CustomEvent("pulse:changed"));
    return null;
  });
}

/** Returns the body that the form asks for; secrets only when they were typed. */
function wanted({ values, certificate }) {
  const body = { type: values.type, host: values.host.trim(), name: values.name.trim() };
  if (values.auth === "token") {
    body.tokenName = values.tokenName.trim();
    if (values.tokenValue) body.tokenValue = values.tokenValue.trim();
  } else {
    body.user = values.user.trim();
    if (values.password) body.password = values.password;
  }
  if (body.type !== "pmg") body.monitorSmart = values.monitorSmart;
  if (!certificate.answer) return body;
  // From now on the authorities of the system vouch for the certificate, or it is this one alone.
  const trust = values.trust === "system" ? { fingerprint: "", verifySSL: true } : { fingerprint: certificate.answer.fingerprint, verifySSL: false };
  return { ...body, ...trust };
}

// --- What is drawn ---------------------------------------------------------------------------------------------------

function draw() {
  const { edited, values, certificate, told, isBusy } = state;
  const close = () => dialog.close();
  render(html`
    <header>
      <h2 id="node-form-title">${edited ? `Change ${printable(edited.name)}` : "Add a node"}</h2>
      <button type="button" class="icon-button" aria-label="Close" onClick=${close}>${icon("close")}</button>
    </header>
    <form novalidate autocomplete="off" onInput=${change} onSubmit=${submit}>
      <div class="fields">
        <${Choice} name="type" legend="What is it?" options=${KINDS} value=${values.type} isFixed=${edited !== null} />
        ${field("host", "Address", { hint: HINTS[values.type] })}
        ${field("name", html`Name <span class="quiet">(optional)</span>`, { hint: "What Pulse calls it; the address when left empty.", maxlength: 128 })}
        ${values.type === "pmg" ? null : html`<${Choice} name="auth" legend="Sign in with" options=${WAYS} value=${values.auth} />`}
        ${credential(state)}
        ${values.type === "pmg" ? null : html`<${Check} id="node-smart" name="monitorSmart" checked=${values.monitorSmart} label="Read the health of disks (SMART)" hint="Twice a day the host asks each disk, up to 10 s each. Sleeping disks may be woken." />`}
        ${certificate.answer && certificateOf(state)}
        <div data-result role="status" tabindex="-1">${told}</div>
      </div>
      <footer>
        <button type="button" class="button" onClick=${close}>Cancel</button>
        <button type="submit" class=${isReady(state) ? "button" : "button primary"} value="test" disabled=${isBusy}>Test connection</button>
        ${isReady(state) && html`<button type="submit" class="button primary" value="save" data-save disabled=${isBusy}>Save</button>`}
      </footer>
    </form>`, dialog);
}

function field(name, label, more) {
  const { values, problems } = state;
  return html`<${Field} key=${name} id=${`node-${name}`} name=${name} label=${label} value=${values[name]} problem=${problems[name]} placeholder=${PLACEHOLDERS[values.type][name]} ...${more} />`;
}

function credential({ edited, values }) {
  const isKept = !isMoved({ edited, values });
  const kept = (isStored) => ({ type: "password", placeholder: isStored && isKept ? "unchanged" : "" });
  if (values.auth === "token") return html`<div class="pair" key="token">${field("tokenName", "Token ID")}${field("tokenValue", "Secret", kept(edited?.hasToken))}</div>`;
  return html`<div class="pair" key="password">${field("user", "User")}${field("password", "Password", { ...kept(edited?.hasPassword), autocomplete: "new-password" })}</div>`;
}

function certificateOf({ values, certificate: { answer, isConfirmed } }) {
  const until = instant(answer.notAfter);
  const option = (value, text) => html`<label><input type="radio" name="trust" value=${value} checked=${values.trust === value} /><span>${text}</span></label>`;
  return html`<div class="certificate" data-certificate>
    <h3>Is this the certificate of the host?</h3>
    <dl>
      <dt>SHA-256</dt><dd><bdi class="fingerprint">${printable(answer.fingerprint)}</bdi></dd>
      <dt>Issued to</dt><dd><bdi>${printable(answer.subject)}</bdi></dd>
      <dt>Issued by</dt><dd><bdi>${printable(answer.issuer)}</bdi></dd>
      <dt>Valid until</dt><dd>${until === null ? printable(answer.notAfter) : new Date(until).toLocaleDateString("en-GB", { day: "numeric", month: "long", year: "numeric" })}</dd>
    </dl>
    ${answer.trusted
      ? html`<div class="options">
          ${option("system", "Accept what the authorities of this system vouch for; a renewal needs nothing from you.")}
          ${option("pin", "Accept this certificate and no other; a renewal has to be confirmed here.")}
        </div>`
      : html`<p class="quiet small">No authority that this system knows vouches for it. Compare the fingerprint with the one on ${FINGERPRINT_IS[values.type]}; Pulse then accepts this certificate and no other.</p>`}
    ${isConfirmed ? null : html`<div><button type="button" class="button primary" data-confirm onClick=${confirm}>${answer.trusted ? "Go on" : "It is the right one"}</button></div>`}
  </div>`;
}
