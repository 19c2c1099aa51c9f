// Pieces of which forms are made: markup as a function of what is known, and fields with their hints and problems.

import htm from "../vendor/htm.mjs";
import { h } from "../vendor/preact.mjs";
import { printable } from "./format.js";

/** Markup as a template; what is put into it stays text, whatever it contains. */
export const html = htm.bind(h);

export const icon = (name) => html`<svg class="icon" aria-hidden="true"><use href=${`#icon-${name}`} /></svg>`;

export const notice = (tone, text) => html`<div class="notice" data-state=${tone}>${icon(tone === "ok" ? "ok" : "problem")}<div><p>${printable(text)}</p></div></div>`;

/** One of a few: `options` are pairs of a value and its word. */
export function Choice({ name, legend, options, value, isFixed = false }) {
  return html`<fieldset class="field"><legend class="label">${legend}</legend><div class="choice">
    ${options.map(([key, word]) => html`<label><input type="radio" name=${name} value=${key} checked=${value === key} disabled=${isFixed} /><span>${word}</span></label>`)}
  </div></fieldset>`;
}

/** A line to type into; `problem` is what the server says is wrong with it, other properties are those of the input. */
export function Field({ id, label, hint, problem, ...input }) {
  const described = [hint && `${id}-hint`, problem && `${id}-problem`].filter(Boolean).join(" ");
  return html`<div class="field">
    <label for=${id}>${label}</label>
    <input id=${id} autocomplete="off" autocapitalize="off" spellcheck="false" aria-describedby=${described || undefined} aria-invalid=${problem ? "true" : undefined} ...${input} />
    ${hint && html`<p class="hint" id=${`${id}-hint`}>${hint}</p>`}
    ${problem && html`<p class="problem-text" id=${`${id}-problem`}>${printable(problem)}</p>`}
  </div>`;
}

export function Check({ id, name, label, hint, checked }) {
  return html`<div class="field">
    <label class="check"><input type="checkbox" id=${id} name=${name} checked=${checked} aria-describedby=${`${id}-hint`} /><span>${label}</span></label>
    <p class="hint" id=${`${id}-hint`}>${hint}</p>
  </div>`;
}
