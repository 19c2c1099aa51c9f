// How the history of a resource is drawn: markup as a function of what is known.

import { Component } from "../vendor/preact.mjs";
import { Chart } from "./chart.js";
import { forecastOf, forecastWords } from "./forecast.js";
import { duration, printable } from "./format.js";
import { html, icon } from "./forms.js";
import { eventsNear, kindOf, ordered, toneOf } from "./history-events.js";
import { hasLater, isLive, RANGES, viewText } from "./history-ranges.js";
import { boundsOf, firstKnown, indexAt, isAnythingKnown, isWithin, pointText, sentenceOf, summed, timeText } from "./history-series.js";
import { OUTCOMES } from "./words.js";

/** Of the grid of charts, in pixels: as in the style sheet. */
const [NARROWEST, GAP, BESIDE] = [380, 24, 76];
/** Events that are listed at once, and rows of a table of samples. */
const [SHOWN_EVENTS, MOST_EVENTS, MOST_ROWS] = [6, 200, 200];
/** How near to a mark the pointer is at it, in pixels. */
const NEAR_PIXELS = 5;

/** What the history is of when it is of no part. */
const WHOLE = { nodes: "the node", vms: "the guest", pbs: "the server", pmg: "the gateway" };

/** Returns how many charts stand beside each other in so many pixels, and the width of what is plotted of each. */
export function gridOf(width) {
  const columns = Math.max(1, Math.floor((width + GAP) / (NARROWEST + GAP)));
  return { columns, plot: (width - (columns - 1) * GAP) / columns - BESIDE };
}

/** Returns the whole section; `act` is what hands can do. */
export function historySection(state, act, now) {
  return html`<section class="part" aria-labelledby="history-title">
    <div class="part-head"><h3 id="history-title">History</h3><span class="quiet small">${noteOf(state)}</span></div>
    ${bar(state, act, now)}
    ${backfillLine(state, act)}
    ${failure(state, act)}
    ${body(state, act, now)}
  </section>`;
}

/** How coarse it is, and whether it follows. */
function noteOf({ answer, view, isReading }) {
  if (isReading && answer) return "Reading…";
  if (!answer) return "";
  const coarse = answer.resolution > answer.step && `samples up to ${duration(answer.resolution)} apart`;
  return [`a point for each ${duration(answer.step)}`, coarse, isLive(view) ? "follows" : ""].filter(Boolean).join(", ");
}

function bar({ view, part, subject, answer }, act, now) {
  const parts = act.partsOf(subject);
  const isZoomed = view.spans.length > 0;
  const span = isZoomed ? view.spans.at(-1) : null;
  return html`<div class="history-bar">
    ${parts.length > 0 && html`<label class="pick"><span>Of</span><select aria-label="History of" onChange=${({ target }) => act.choosePart(target.value)}>
      <option value="" selected=${!part}>${WHOLE[subject.collection]}</option>
      ${parts.map(([value, word]) => html`<option key=${value} value=${value} selected=${part === value}>${printable(word)}</option>`)}
    </select></label>`}
    <fieldset class="choice ranges"><legend class="aside">Range</legend>
      ${RANGES.map(([name, word]) => html`<label key=${name}><input type="radio" name="history-range" value=${name} checked=${!isZoomed && view.range === name} onClick=${() => act.choose(name)} /><span>${word}</span></label>`)}
    </fieldset>
    <div class="history-tools">
      ${tool("Earlier", "chevron", () => act.move(-1), { "data-turn": "left" })}
      ${tool("Later", "chevron", () => act.move(1), { "data-turn": "right", disabled: !hasLater(view, now) })}
      ${tool("Closer", "plus", act.closer, { disabled: !answer })}
    </div>
    ${isZoomed && html`<p class="span-shown"><span>${timeText(span.start, 60)} – ${timeText(span.end, 60)}</span><button type="button" class="button text" onClick=${act.back}>Back</button></p>`}
  </div>`;
}

const tool = (word, name, press, others) => html`<button type="button" class="icon-button" aria-label=${word} title=${word} onClick=${press} ...${others}>${icon(name)}</button>`;

function backfillLine({ backfill }, act) {
  if (!backfill) return "";
  const { id, text, share, tone } = backfill;
  return html`<div class="backfill" data-tone=${tone || undefined}>
    ${icon(tone ? "problem" : "sync")}<p role="status">${text}</p>
    ${share !== null && html`<progress max="1" value=${share} aria-label="How much of Proxmox's own records has been read"></progress>`}
    ${act.mayChange && !tone && html`<button type="button" class="button text" onClick=${() => act.cancelBackfill(id)}>Cancel</button>`}
  </div>`;
}

function failure({ failure: text, answer }, act) {
  if (!text) return "";
  const what = answer ? "What is drawn is older: " : "The history cannot be read: ";
  return html`<div class="notice" data-state="warn" role="status">${icon("problem")}<p>${what}${printable(text)} <button type="button" class="button text" onClick=${act.again}>Try again</button></p></div>`;
}

function body(state, act, now) {
  const { answer, charts, isReading, failure: text } = state;
  if (!answer) return text ? "" : html`<p class="history-waiting quiet" role="status">${icon("sync")} Reading the history…</p>`;
  if (!isAnythingKnown(answer)) return html`<p class="history-waiting quiet" role="status">${emptyText(state.first)}</p>`;
  return html`
    <div class="charts" aria-busy=${isReading ? "true" : undefined}>${charts.map((chart) => figure(chart, state, act, now))}</div>
    ${origin(answer)}
    ${events(state, act)}`;
}

/** What is said of a range without samples; `first` is when the first of all was taken: null for never, undefined while it is asked. */
function emptyText(first) {
  if (first === undefined) return "No samples in this range.";
  return first === null ? "No samples yet. Pulse takes one with each poll and shows them here after a minute." : `No samples in this range. The first that is kept is of ${timeText(first, 60)}.`;
}

/** From when on anything is known, and until when by the word of Proxmox. */
function origin(answer) {
  const [first, step] = [firstKnown(answer), answer.step];
  const { start, count } = answer;
  const isLate = first - start / 1000 > (count * step) / 20;
  const until = Math.max(0, ...(answer.told ?? []).map(([, to]) => to)) / 1000;
  const lines = [
    isLate && `Known from ${timeText(first, step)} on.`,
    until > start / 1000 && (until < start / 1000 + count * step ? `Until ${timeText(until, step)} from Proxmox's own records: shaded.` : "Shaded: from Proxmox's own records."),
  ].filter(Boolean);
  return lines.length ? html`<p class="quiet small">${lines.join(" ")}</p>` : "";
}

function figure(chart, state, act, now) {
  const { name, title, unit, lines, drawing } = chart;
  const { answer, at, view, tables } = state;
  const index = at === null ? null : indexAt(answer, at);
  const sums = lines.map(({ series }) => summed(answer, series));
  const sentences = lines.map(({ label }, place) => sentenceOf(lines.length > 1 || label !== title ? `${title}, ${label}` : title, unit, sums[place], viewText(view)));
  const isOpen = tables.has(name);
  return html`<figure key=${name} class="chart" data-chart=${name}>
    <figcaption class="chart-head">
      <h4>${title}</h4>
      ${index !== null && html`<span class="chart-time">${timeText(drawing.times[index], answer.step)}</span>`}
      ${lines.length > 0 && html`<span class="chart-tools">
        <button type="button" class="link" aria-expanded=${String(isOpen)} aria-label=${`Table of ${title}`} onClick=${() => act.toggleTable(name)}>Table</button>
        <a href=${act.fileOf(chart)} download="" aria-label=${`CSV of ${title}`}>CSV</a>
      </span>`}
    </figcaption>
    ${lines.length === 0
      ? html`<p class="chart-none quiet">Nothing is known of it in this range.</p>`
      : html`<ul class="legend">
          ${lines.map((line, place) => legendLine(line, place, sums[place], { unit, index, drawing }))}
          ${chart.fills && forecastLine(state, now)}
        </ul>
        <div class="plot-frame">
          <${Plot} key=${lines.map(({ metric }) => metric).join()} name=${name} drawing=${drawing} act=${act} label=${sentences.join(" ")} at=${at} step=${answer.step} />
          ${state.pointed === name && pointedEvents(state, drawing)}
        </div>`}
    ${isOpen && lines.length > 0 && sampleTable(chart, answer)}
  </figure>`;
}

function legendLine({ metric, label, series }, place, sums, { unit, index, drawing }) {
  const text = (value) => pointText(value, unit);
  const isPointed = index !== null;
  const value = isPointed ? series.mean[index] : sums.isNow ? sums.last : null;
  const total = drawing.total && place === 0 ? drawing.total.mean[isPointed ? index : sums.lastIndex] : null;
  const [low, high] = isPointed ? (value === null ? [null, null] : boundsOf(series, index)) : [sums.low, sums.high];
  const share = total && value !== null ? ` of ${text(total)}, ${pointText((value / total) * 100, "percent")}` : "";
  const isTold = isPointed && isWithin(drawing.told, drawing.times[index]);
  const range = low === null ? (isPointed ? "not known" : "") : text(low) === text(high) ? "" : `${text(low)} to ${text(high)}`;
  const rest = [range, !isPointed && text(low) !== text(high) && `mean ${text(sums.mean)}`, isTold && "Proxmox"].filter(Boolean).join(", ");
  return html`<li key=${metric}><i class="swatch" data-line=${place + 1}></i><span>${label}</span><b>${text(value)}</b><span class="quiet">${share.trim()}</span><span class="quiet range">${rest}</span></li>`;
}

function forecastLine({ subject, part }, now) {
  const words = forecastWords(forecastOf(subject.details, part), now * 1000);
  return words && html`<li class="forecast" data-tone=${words.tone || undefined}>${words.tone && icon("problem")}<span>${words.text}</span></li>`;
}

/** What happened where somebody points. */
function pointedEvents({ answer, at, points }, { span }) {
  if (at === null) return "";
  const near = ((span.end - span.start) / points) * NEAR_PIXELS;
  const found = eventsNear(answer.events, at, near);
  if (!found.length) return "";
  return html`<p class="pointed-events">${found.slice(0, 2).map((event) => html`<span key=${event.start + event.code}>${mark(event)} ${kindOf(event).word}: ${printable(event.text || event.code)}</span>`)}${found.length > 2 && html`<span>and ${found.length - 2} more</span>`}</p>`;
}

function mark(event) {
  return html`<svg class="mark" viewBox="0 0 8 8" data-tone=${toneOf(event) || undefined} aria-hidden="true"><path d=${kindOf(event).path} /></svg>`;
}

function events({ answer, allEvents }, act) {
  const list = ordered(answer.events);
  if (!list.length) return "";
  const shown = list.slice(0, allEvents ? MOST_EVENTS : SHOWN_EVENTS);
  return html`<div class="history-events">
    <h4>Events <span class="quiet">${list.length}</span></h4>
    <ul>${shown.map((event) => eventLine(event, answer, act))}</ul>
    ${list.length > shown.length && (allEvents ? html`<p class="quiet small">and ${list.length - shown.length} more: look closer to see them.</p>` : html`<button type="button" class="button text" onClick=${act.allEvents}>Show all ${list.length}</button>`)}
  </div>`;
}

function eventLine(event, answer, act) {
  const at = event.start / 1000;
  const outcome = event.outcome && event.outcome !== "ok" ? OUTCOMES[event.outcome] ?? OUTCOMES.unknown : null;
  const took = event.end && event.end > event.start ? `took ${duration((event.end - event.start) / 1000)}` : "";
  return html`<li key=${`${event.start} ${event.code} ${event.text}`}>
    ${mark(event)}
    <button type="button" class="link" title="Point at it in the charts" onClick=${() => act.point(at)}>${timeText(at, 60)}</button>
    <span class="event-kind">${kindOf(event).word}</span>
    <span class="event-text"><bdi>${printable(event.text || event.code)}</bdi>${outcome && html` <span class="status" data-tone=${outcome.tone}>${icon(outcome.icon)}<span>${outcome.word}</span></span>`}</span>
    <span class="quiet">${took}</span>
  </li>`;
}

function sampleTable({ title, unit, lines, drawing }, answer) {
  const rows = [];
  for (let index = answer.count - 1; index >= 0 && rows.length < MOST_ROWS; index -= 1) {
    if (lines.every(({ series }) => series.mean[index] === null)) continue;
    rows.push(html`<tr key=${index}><th scope="row">${timeText(drawing.times[index], answer.step)}</th>${lines.map(({ series }) => sampleCell(series, index, unit))}</tr>`);
  }
  return html`<div class="small-sheet samples" tabindex="0" role="region" aria-label=${`Samples of ${title}`}><table class="small-table">
    <caption class="aside">${title}, the newest first</caption>
    <thead><tr><th scope="col">Time</th>${lines.map(({ label }) => html`<th scope="col" class="figures">${label}</th>`)}</tr></thead>
    <tbody>${rows}</tbody>
  </table></div>`;
}

function sampleCell(series, index, unit) {
  const mean = series.mean[index];
  const [low, high] = mean === null ? [null, null] : boundsOf(series, index);
  const [least, most] = [low, high].map((value) => pointText(value, unit));
  return html`<td class="figures">${pointText(mean, unit)}${least !== most && html` <span class="quiet">(${least} to ${most})</span>`}</td>`;
}

/** The place where uPlot draws: made once, and given other figures when they are others. */
class Plot extends Component {
  componentDidMount() {
    const { name, drawing, act } = this.props;
    this.chart = new Chart(this.root, drawing, act);
    act.mount(name, this.chart);
  }

  componentDidUpdate(before) {
    if (before.drawing !== this.props.drawing) this.chart.update(this.props.drawing);
  }

  componentWillUnmount() {
    this.props.act.unmount(this.props.name, this.chart);
    this.chart.destroy();
  }

  /** The arrows move what is pointed at by one point, with Shift by ten. */
  press(event) {
    const { act, at, step, drawing } = this.props;
    const { times } = drawing;
    const [first, last] = [times[0], times.at(-1)];
    const here = at ?? last;
    const wanted = { ArrowLeft: here - step * (event.shiftKey ? 10 : 1), ArrowRight: here + step * (event.shiftKey ? 10 : 1), Home: first, End: last, "+": here, "-": here }[event.key];
    if (wanted === undefined) return;
    event.preventDefault();
    if (event.key === "+") act.closer();
    else if (event.key === "-") act.back();
    else act.point(Math.min(last, Math.max(first, wanted)));
  }

  render({ label }) {
    return html`<div class="plot" role="img" aria-label=${label} tabindex="0" onKeyDown=${(event) => this.press(event)}><div ref=${(element) => (this.root = element ?? this.root)}></div></div>`;
  }
}
