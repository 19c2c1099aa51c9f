// Where Pulse is: at the root of its name, or under the path at which a reverse proxy shows it.

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
