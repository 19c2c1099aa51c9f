// The page of the API: Swagger UI, in the look that the rest of Pulse has.

const place = document.getElementById("api-description");
const root = document.documentElement;
const system = matchMedia("(prefers-color-scheme: dark)");

/** Swagger UI follows a class of its own instead of `color-scheme`. */
function followTheme() {
  const theme = root.dataset.theme ?? (system.matches ? "dark" : "light");
  root.classList.toggle("dark-mode", theme === "dark");
}

followTheme();
system.addEventListener("change", followTheme);
new MutationObserver(followTheme).observe(root, { attributeFilter: ["data-theme"] });

window.SwaggerUIBundle({
  domNode: place,
  url: place.dataset.url,
  deepLinking: true,
  docExpansion: "list",
  defaultModelsExpandDepth: 0,
  displayRequestDuration: true,
  // Nobody else is told what is described here.
  validatorUrl: null,
});
