// The look of every page: as the system, light or dark. The choice lives in a cookie, so that the server
// writes it into the first byte of the page and nothing flashes.

import { HOME } from "./page.js";

const CHOICES = ["system", "light", "dark"];
const WORDS = { system: "as the system", light: "light", dark: "dark" };
const ONE_YEAR_SECONDS = 365 * 24 * 3600;
const IS_TLS = location.protocol === "https:";
/** As the server names its cookies: over TLS the name demands TLS, and at the root of a host that host. */
const COOKIE = `${IS_TLS ? (HOME === "/" ? "__Host-" : "__Secure-") : ""}pulse_theme`;

/** Returns the choice that holds on this page. */
function current() {
  return document.documentElement.dataset.theme ?? "system";
}

/** Makes the choice hold here and on the pages to come. */
function choose(choice) {
  if (choice === "system") delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = choice;
  const age = choice === "system" ? 0 : ONE_YEAR_SECONDS;
  document.cookie = `${COOKIE}=${choice}; Path=${HOME}; Max-Age=${age}; SameSite=Lax${IS_TLS ? "; Secure" : ""}`;
}

function show(button) {
  const choice = current();
  button.setAttribute("aria-label", `Theme: ${WORDS[choice]}`);
  button.title = `Theme: ${WORDS[choice]}`;
  button.querySelector("use").setAttribute("href", `#icon-theme-${choice}`);
}

for (const button of document.querySelectorAll("[data-theme-toggle]")) {
  show(button);
  button.addEventListener("click", () => {
    choose(CHOICES[(CHOICES.indexOf(current()) + 1) % CHOICES.length]);
    show(button);
  });
}
