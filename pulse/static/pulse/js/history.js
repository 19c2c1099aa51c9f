// The history of the resource in the panel: what is shown of it, and when it is read again.

import { render } from "../vendor/preact.mjs";
import { backfillOf, instanceOf, isAnyOpen } from "./backfills.js";
import { chartsOf, drawn, metricsOf, partsOf } from "./history-charts.js";
import { blindSpans } from "./history-events.js";
import * as ranges from "./history-ranges.js";
import { firstKnown, isAnythingKnown, isKnown, largestOf, scaleFor, timesOf, toldSpans } from "./history-series.js";
import { gridOf, historySection } from "./history-view.js";
import { find, remember, remembered, request, resourcePath, urlOf } from "./page.js";

/** How often the newest samples are fetched while somebody looks. */
const AGAIN_SECONDS = 30;
/** How often it is asked how the reading of Proxmox's own records goes, while it does. */
const BACKFILL_SECONDS = 3;
const RANGE = "range";
/** How much wider a chart must have become to be read anew. */
const WIDER = 1.3;
/** Points of what only is to be found out from. */
const FEW_POINTS = 60;
const CLOSED = { subject: null, part: "", view: null, answer: null, points: 0, charts: [], first: undefined, failure: "", backfill: null, isReading: false, at: null, pointed: "", tables: new Set(), allEvents: false };

const root = find("resource-history");
/** The charts that are drawn now, by name. */
const charts = new Map();
let state = CLOSED;
let clock = () => Date.now();
let asked = 0;
let readAt = 0;
let frame = 0;
let backfills = [];
let backfillsAt = -Infinity;

const now = () => clock() / 1000;

/** The style sheets of the charts, which the page names and nobody loads before. */
const styles = [...find("chart-styles").content.cloneNode(true).children];
const isStyled = Promise.all(styles.map((link) => new Promise((resolve) => ["load", "error"].forEach((name) => link.addEventListener(name, resolve)))));
document.head.append(...styles);

/** Shows the history of `{id, collection, resource, details}`; `clockOf()` is the clock of the server in epoch milliseconds. */
export function showHistory(subject, clockOf) {
  clock = clockOf;
  const isOther = subject.id !== state.subject?.id;
  if (isOther) {
    closeHistory();
    const kept = remembered(RANGE);
    state = { ...CLOSED, view: ranges.viewOf(ranges.isRange(kept) ? kept : ranges.FIRST_RANGE), tables: new Set() };
  }
  set({ subject });
  if (!isOther) return;
  read();
  readBackfills();
}

/** Nothing is shown and nothing is read any more. */
export function closeHistory() {
  asked += 1;
  state = CLOSED;
  render(null, root);
}

function set(changes) {
  state = { ...state, ...changes };
  draw();
}

function draw() {
  frame ||= requestAnimationFrame(() => {
    frame = 0;
    if (state.subject) render(historySection(state, act, now()), root);
  });
}

function prepared(answer, { collection }, part) {
  const [times, told] = [timesOf(answer), toldSpans(answer)];
  const span = { start: answer.start / 1000, end: answer.start / 1000 + answer.step * answer.count };
  const blind = blindSpans(answer.events, span);
  return drawn(chartsOf(collection, part), answer, isKnown).map((chart) => {
    const total = isKnown(answer.series[chart.total]) ? answer.series[chart.total] : null;
    const scale = scaleFor(largestOf([...chart.lines.map(({ series }) => series), ...(total && chart.lines.length ? [total] : [])]), chart.unit);
    return { ...chart, drawing: { times, lines: chart.lines, total, unit: chart.unit, scale, span, told, blind, events: answer.events } };
  });
}

async function read(isRenewal = false) {
  const ticket = (asked += 1);
  const { subject, view, part } = state;
  if (!isRenewal) set({ isReading: true });
  readAt = performance.now();
  const points = ranges.pointsFor(gridOf(root.clientWidth).plot);
  try {
    const asking = request("GET", `${resourcePath(subject.id)}/history?${ranges.queryOf(view, points, { part })}`);
    const [answer] = await Promise.all([asking, isStyled]);
    if (ticket !== asked) return;
    set({ answer, points, charts: prepared(answer, subject, part), failure: "", backfill: null, isReading: false });
    if (!isAnythingKnown(answer)) findFirst(ticket);
  } catch (error) {
    // What is drawn stays, with its reason to be old.
    if (ticket === asked) set({ failure: error.message, isReading: false });
  }
}

/** Finds when the first sample was taken that there is, for whom there is none in what is shown. */
async function findFirst(ticket) {
  const { subject, part } = state;
  const whole = ranges.queryOf(ranges.viewOf(ranges.LONGEST_RANGE), FEW_POINTS, { part });
  try {
    const answer = await request("GET", `${resourcePath(subject.id)}/history?${whole}`);
    if (ticket === asked) set({ first: firstKnown(answer) });
  } catch {
    // It is said then that there is none in this range, and no more.
  }
}

/** Reads how the reading of Proxmox's own records goes; when it has ended for what is shown, there is more to draw. */
async function readBackfills() {
  backfillsAt = performance.now();
  try {
    ({ backfills } = await request("GET", "/api/history/backfills"));
  } catch {
    backfills = []; // without the right to know, or without a server: nothing is said of it
  }
  if (!state.subject) return;
  const before = state.backfill;
  const backfill = backfillOf(backfills, instanceOf(state.subject), clock());
  set({ backfill });
  if (before && !before.tone && !backfill) read(true);
}

/** Reads another view, which somebody asked for. */
function look(view) {
  if (view === state.view) return;
  set({ view, at: null, first: undefined });
  read();
}

/** What hands can do. */
const act = {
  choose(range) {
    remember(RANGE, range);
    look(ranges.viewOf(range));
  },
  choosePart(part) {
    set({ part, answer: null, charts: [], at: null, first: undefined });
    read();
  },
  zoom: (start, end) => look(ranges.zoomed(state.view, start, end, now())),
  closer: () => look(ranges.closer(state.view, now(), state.at)),
  back: () => state.view.spans.length && look(ranges.back(state.view)),
  move: (direction) => look(ranges.moved(state.view, direction, now())),
  again: () => read(),
  allEvents: () => set({ allEvents: true }),
  toggleTable(name) {
    const tables = new Set(state.tables);
    if (!tables.delete(name)) tables.add(name);
    set({ tables });
  },
  /** Points at an instant on all charts; `source` is the one on which somebody does. */
  point(at, source = null) {
    if (at === state.at) return;
    let pointed = "";
    for (const [name, chart] of charts) {
      if (chart === source) pointed = name;
      else chart.point(at);
    }
    set({ at, pointed });
  },
  async cancelBackfill(id) {
    try {
      await request("POST", `/api/history/backfills/${id}/cancel`);
    } catch (error) {
      set({ failure: error.message });
    }
    readBackfills();
  },
  mayChange: "mayChange" in root.dataset,
  mount: (name, chart) => charts.set(name, chart),
  unmount: (name, chart) => charts.get(name) === chart && charts.delete(name),
  /** Where the figures of a chart are to be had as a file. */
  fileOf(chart) {
    const { subject, view, part, answer } = state;
    return urlOf(`${resourcePath(subject.id)}/history?${ranges.queryOf(view, 1000, { part, metric: metricsOf(chart, answer), format: "csv" })}`);
  },
  partsOf: ({ collection, resource, details }) => partsOf(collection, resource, details),
};

function refresh() {
  for (const chart of charts.values()) chart.refresh();
  // Of a chart that has become wide, more can be seen.
  if (state.answer && ranges.pointsFor(gridOf(root.clientWidth).plot) > state.points * WIDER) read(true);
}

function renew() {
  const isSeen = state.subject && !root.hidden && !document.hidden && root.closest("dialog").open;
  if (isSeen && isAnyOpen(backfills) && performance.now() - backfillsAt >= BACKFILL_SECONDS * 1000) readBackfills();
  if (isSeen && !state.isReading && ranges.isLive(state.view) && performance.now() - readAt >= AGAIN_SECONDS * 1000) read(true);
}

setInterval(renew, 1000);
document.addEventListener("visibilitychange", renew);
new ResizeObserver(refresh).observe(root);
new MutationObserver(refresh).observe(document.documentElement, { attributeFilter: ["data-theme"] });
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", refresh);
