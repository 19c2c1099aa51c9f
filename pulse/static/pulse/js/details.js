// What is known of one resource, as sections of its panel. Every text from outside goes in as text.

import { levelOf, LEVELS } from "./concerns.js";
import { instant, printable } from "./format.js";
import { badge, icon, make } from "./page.js";
import { guestSections } from "./panel-guest.js";
import { nodeSections } from "./panel-node.js";
import { ago, section } from "./panel-parts.js";
import { mailSections, serverSections, storageSections } from "./panel-server.js";
import { fullTime, since } from "./words.js";

const SECTIONS = { nodes: nodeSections, vms: guestSections, containers: guestSections, storage: storageSections, pbs: serverSections, pmg: mailSections };

/** What is wrong; each with the age of what it was told from, where polls do not renew it. */
function problemSection(concerns, now) {
  if (!concerns?.length) return null;
  const lines = concerns.map(({ level, text, readAt }) => {
    const { word, icon: shape, tone } = LEVELS[levelOf(level)];
    const read = instant(readAt);
    const age = read === null ? "" : make("span", { class: "quiet small", title: fullTime(read) }, `read ${since(read, now)} ago`);
    return make("li", {}, badge({ word, icon: shape, tone }), make("span", {}, `${printable(text)}.`), age);
  });
  return section("Problems", "", now, make("ul", { class: "concerns" }, ...lines));
}

/** Returns what stands before everything else: what is wrong, where anything is. */
export function problemsOf(answer, now) {
  return [problemSection(answer.details.concerns, now)].filter(Boolean);
}

/** Returns the sections of what `GET /api/resources/<id>` answered, without its problems. */
export function sectionsOf(answer, now) {
  return SECTIONS[answer.collection](answer, now).filter(Boolean);
}
