// How the scripts touch the page and the server: elements, icons, lists of keyed elements, requests.

/** The path of the start page, with a slash at its end; scripts lie three folders below it. */
export const HOME = new URL("../../../", import.meta.url).pathname;

/** Returns the address of a path of Pulse, such as `/api/state`. */
export function urlOf(path) {
  return HOME + path.slice(1);
}

/** Returns the address of the live feed. */
export function feedAddress() {
  return `${location.protocol === "https:" ? "wss:" : "ws:"}//${location.host}${urlOf("/ws")}`;
}

const SVG = "http://www.w3.org/2000/svg";

/** Returns the one element with this data attribute. */
export function find(name, within = document) {
  const element = within.querySelector(`[data-${name}]`);
  if (!element) throw new Error(`The page has no element data-${name}`);
  return element;
}

/** Returns a new element; children may be texts, which stay texts whatever they contain. */
export function make(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value !== undefined && value !== false) element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...children.filter((child) => child !== undefined && child !== null && child !== ""));
  return element;
}

/** Returns an icon of the sprite. */
export function icon(name) {
  const svg = document.createElementNS(SVG, "svg");
  svg.setAttribute("class", "icon");
  svg.setAttribute("aria-hidden", "true");
  const use = document.createElementNS(SVG, "use");
  use.setAttribute("href", `#icon-${name}`);
  svg.append(use);
  return svg;
}

/** Returns the address of the panel of a resource, or of the explanation of one of its numbers. */
export function panelAddress(id, number = "") {
  const parts = number ? [id, number] : [id];
  return `#resource/${parts.map(encodeURIComponent).join("/")}`;
}

/** Returns the path of the API about a resource. */
export function resourcePath(id) {
  return `/api/resources/${id.split("/").map(encodeURIComponent).join("/")}`;
}

/** Returns `{id, number}` of such an address, null for any other. */
export function panelOf(hash) {
  const [head, id, number = ""] = hash.slice(1).split("/");
  if (head !== "resource" || !id) return null;
  try {
    return { id: decodeURIComponent(id), number: decodeURIComponent(number) };
  } catch {
    return null; // a broken escape: nobody's link
  }
}

/** Returns a shape and a word; `state` is `{word, icon, tone}`. */
export function badge(state, word = state.word) {
  return make("span", { class: "status", "data-tone": state.tone || undefined }, state.icon ? icon(state.icon) : "", make("span", {}, word));
}

/** Makes an icon show another one. */
export function setIcon(svg, name) {
  const href = `#icon-${name}`;
  const use = svg.firstElementChild;
  if (use.getAttribute("href") !== href) use.setAttribute("href", href);
}

/** Makes the text of an element this one; an unchanged one costs nothing. */
export function setText(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

/** Makes a data attribute this one; "" removes it. */
export function setData(element, name, value) {
  if (value === "") delete element.dataset[name];
  else if (element.dataset[name] !== value) element.dataset[name] = value;
}

/**
 * Returns a bar with its own writer: a share of 0 to 100, its level ("", "warn", "bad") and, of what is filled, the part
 * of 0 to 1 at its end that is drawn lighter.
 */
export function makeBar() {
  const fill = make("span", { class: "fill" });
  const bar = make("span", { class: "bar", "aria-hidden": "true" }, fill);
  let share = -1;
  let lighter = 0;
  return {
    bar,
    set(percent, level, part = 0) {
      const next = Number.isFinite(percent) ? Math.round(Math.min(100, Math.max(0, percent))) : 0;
      if (next !== share) fill.style.setProperty("--share", String(next / 100));
      share = next;
      const rounded = Number.isFinite(part) ? Math.round(Math.min(1, Math.max(0, part)) * 100) : 0;
      if (rounded !== lighter) {
        fill.style.setProperty("--solid", `${100 - rounded}%`);
        setData(fill, "part", rounded ? "true" : "");
      }
      lighter = rounded;
      setData(bar, "level", level);
    },
  };
}

const views = new WeakMap();

/**
 * Makes the children of a container stand for `items`: one each, in their order, made by `build(item)`, which
 * returns `{root, write(item)}`, and kept as long as their key stays.
 */
export function keep(container, items, keyOf, build) {
  let known = views.get(container);
  if (!known) views.set(container, (known = new Map()));
  const present = new Set();
  let place = container.firstElementChild;
  for (const item of items) {
    const key = keyOf(item);
    present.add(key);
    let view = known.get(key);
    if (!view) known.set(key, (view = build(item)));
    view.write(item);
    if (view.root === place) place = place.nextElementSibling;
    else container.insertBefore(view.root, place);
  }
  for (const [key, view] of known) {
    if (present.has(key)) continue;
    view.root.remove();
    known.delete(key);
  }
}

/** What a refused or failed request says; `details` maps fields to their problems. */
export class RequestFailed extends Error {
  constructor(message, status, details = {}) {
    super(message);
    this.status = status;
    this.details = details;
  }
}

/** What the page keeps in the browser, beside the theme, has a name that begins so. */
const KEPT = "pulse.";

/** Returns what the browser keeps under this name, null where it keeps nothing for this page. */
export function remembered(name) {
  try {
    return JSON.parse(localStorage.getItem(KEPT + name) ?? "null");
  } catch {
    return null; // it keeps nothing at all, or something else wrote there
  }
}

/** Makes the browser keep a choice of whoever is signed in, where it keeps anything. */
export function remember(name, value) {
  try {
    localStorage.setItem(KEPT + name, JSON.stringify(value));
  } catch {
    // Not kept beyond this page, then.
  }
}

/** Forgets what the browser keeps for whoever was signed in: somebody else may sit down here next. */
export function forget() {
  try {
    for (const key of Object.keys(localStorage).filter((name) => name.startsWith(KEPT))) localStorage.removeItem(key);
  } catch {
    // The browser keeps nothing for this page.
  }
}

/** Goes to the sign-in, which comes back to this address. */
export function signIn() {
  forget();
  location.assign(`${urlOf("/login")}?next=${encodeURIComponent(location.pathname + location.search)}`);
}

let isAsking = false;

/** After a handshake that failed: asks over HTTP whether it was for want of a credential. */
export async function signInIfRefused() {
  if (isAsking) return;
  isAsking = true;
  try {
    const response = await fetch(urlOf("/api/state"), { method: "HEAD" });
    if (response.status === 401) signIn();
  } catch {
    // No answer at all: the feed keeps trying.
  } finally {
    isAsking = false;
  }
}

/**
 * Returns the JSON answer of a request to the API. Raises RequestFailed with a sentence for people; without a
 * valid credential the page goes to the sign-in.
 */
export async function request(method, path, body) {
  let response;
  try {
    response = await fetch(urlOf(path), {
      method,
      headers: body === undefined ? {} : { "Content-Type": "application/json" },
      body: body === undefined ? undefined : JSON.stringify(body),
    });
  } catch {
    throw new RequestFailed("Pulse does not answer. Check that it runs and that this browser can reach it.", 0);
  }
  if (response.status === 401) {
    signIn();
    throw new RequestFailed("Your session has ended. Sign in again.", 401);
  }
  const answer = await response.json().catch(() => null);
  if (!response.ok || answer === null) {
    const message = answer?.error || `Pulse answered with status ${response.status}. Its log has the details.`;
    throw new RequestFailed(message, response.status, answer?.details ?? {});
  }
  return answer;
}

/** Tells something in passing: drawn for a while, read aloud once. */
export function toast(text) {
  const message = make("p", { class: "toast" }, icon("ok"), make("span", {}, text));
  find("toasts").append(message);
  find("announcer").textContent = text;
  setTimeout(() => message.remove(), 6000);
}
