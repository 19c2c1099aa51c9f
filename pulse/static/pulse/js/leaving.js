// Whoever leaves takes along what the browser kept for them, and whoever comes finds nothing of others.

import { forget } from "./page.js";

for (const form of document.querySelectorAll("[data-leave]")) form.addEventListener("submit", forget);
// The sign-in is also where somebody arrives whose session has ended elsewhere.
if (document.querySelector("[data-enter]")) forget();
