import assert from "node:assert/strict";
import { test } from "node:test";

import { boundsOf, firstKnown, indexAt, isKnown, isWithin, largestOf, lonely, pointText, runsOf, scaleFor, sentenceOf, stepTexts, summed, tickTexts, timesOf, timeText, toldSpans } from "../../pulse/static/pulse/js/history-series.js";

const GAP = "\u202f";
const spaced = (text) => text.replaceAll("_", GAP);
const ANSWER = { start: 1_767_268_800_000, step: 10, count: 6, told: [] };
const SERIES = { mean: [null, 10, 20, null, 40, 30], low: [null, 5, null, null, 38, 30], high: [null, 15, null, null, 60, 30] };

test("times are the starts of the steps, in epoch seconds", () => {
  assert.deepEqual(timesOf({ start: 1_767_268_800_500, step: 60, count: 3 }), [1_767_268_800.5, 1_767_268_860.5, 1_767_268_920.5]);
});

test("a gap counts for nothing, and a mean without bounds is both of them", () => {
  const sums = summed(ANSWER, SERIES);

  assert.deepEqual(sums, { low: 5, high: 60, mean: 25, last: 30, lastIndex: 5, isNow: true });
  assert.deepEqual(boundsOf(SERIES, 2), [20, 20]);
  assert.deepEqual(boundsOf({ mean: [7] }, 0), [7, 7]);
});

test("what was known long ago is not called now", () => {
  const values = Array.from({ length: 40 }, (_, index) => (index < 5 ? 8 : null));
  const sums = summed({ ...ANSWER, count: 40 }, { mean: values });

  assert.deepEqual([sums.last, sums.lastIndex, sums.isNow], [8, 4, false]);
});

test("a series without a value has no sums and is not known", () => {
  assert.equal(summed(ANSWER, { mean: [null, null, null, null, null, null] }), null);
  assert.equal(summed(ANSWER, undefined), null);
  assert.equal(isKnown(undefined), false);
  assert.equal(isKnown({ mean: [null, 0] }), true);
});

test("a series is told in a sentence", () => {
  const of = (sums) => sentenceOf("CPU", "percent", sums, "over the last hour");

  assert.equal(of(summed(ANSWER, SERIES)), spaced("CPU over the last hour: 5.0_% to 60_%, 25_% on average, 30_% now."));
  assert.equal(of({ low: 4, high: 4, mean: 4, last: 4, isNow: false }), spaced("CPU over the last hour: always 4.0_%, 4.0_% when it was last known."));
  assert.equal(of(null), "CPU over the last hour: not known.");
});

test("values have the units of the page", () => {
  const cases = [[12.34, "percent", "12_%"], [1_572_864, "bytes", "1.5_MiB"], [2048, "bytes per second", "2.0_KiB/s"], [0.5, "processes", "0.50"], [12.26, "processes", "12.3"], [3, "count", "3"], [3.25, "count", "3.3"], [null, "processes", "—"], [null, "bytes", "—"]];
  for (const [value, unit, text] of cases) assert.equal(pointText(value, unit), spaced(text));
});

test("a scale begins at zero, has at most four steps of a round size and holds its largest value", () => {
  const cases = [
    [91, "percent", [0, 25, 50, 75, 100]],
    [100, "percent", [0, 25, 50, 75, 100]],
    [61, "percent", [0, 20, 40, 60, 80]],
    [0.2, "percent", [0, 1, 2, 3, 4]],
    [8 * 2 ** 30, "bytes", [0, 2, 4, 6, 8].map((one) => one * 2 ** 30)],
    [12 * 2 ** 30, "bytes", [0, 4, 8, 12].map((one) => one * 2 ** 30)],
    [0, "bytes per second", [0, 1024, 2048, 3072, 4096]],
    [5.2, "processes", [0, 2, 4, 6]],
    [1300, "count", [0, 500, 1000, 1500]],
    [0, "count", [0, 1, 2, 3, 4]],
  ];
  for (const [largest, unit, steps] of cases) assert.deepEqual(scaleFor(largest, unit), { top: steps.at(-1), steps });
});

test("the steps of a scale have no empty decimals", () => {
  assert.deepEqual(stepTexts([0, 2 ** 29, 2 ** 30], "bytes"), ["0_B", "512_MiB", "1_GiB"].map(spaced));
  assert.deepEqual(stepTexts([0, 2.5, 5], "percent"), ["0_%", "2.5_%", "5_%"].map(spaced));
  assert.deepEqual(stepTexts([0, 0.1, 2], "processes"), ["0", "0.10", "2"]);
  assert.deepEqual(stepTexts([10, 100], "percent"), ["10_%", "100_%"].map(spaced));
});

test("the largest value is the highest of all that is drawn", () => {
  assert.equal(largestOf([SERIES, { mean: [null, 55] }]), 60);
  assert.equal(largestOf([{ mean: [null] }]), 0);
});

test("known values run from gap to gap, and one without neighbours is found", () => {
  assert.deepEqual(runsOf(SERIES.mean), [[1, 2], [4, 5]]);
  assert.deepEqual(runsOf([]), []);
  assert.deepEqual(lonely([1, null, 2, 3, null, 4]), [0, 5]);
});

test("the first instant of which anything is known is that of the earliest series", () => {
  const other = { mean: [null, null, null, null, 1, 1] };

  assert.equal(firstKnown({ ...ANSWER, series: { cpu: SERIES, netin: other } }), 1_767_268_810);
  assert.equal(firstKnown({ ...ANSWER, series: { cpu: { mean: [null] } } }), null);
  assert.equal(firstKnown({ ...ANSWER, series: {} }), null);
});

test("an instant belongs to the step that holds it", () => {
  assert.deepEqual([1_767_268_799, 1_767_268_800, 1_767_268_809.9, 1_767_268_859, 1_767_268_860].map((at) => indexAt(ANSWER, at)), [null, 0, 0, 5, null]);
});

test("what Proxmox tells is cut to what is shown", () => {
  const told = [[1_767_268_000_000, 1_767_268_820_000], [1_767_268_850_000, 1_767_269_000_000], [0, 1000]];
  const spans = toldSpans({ ...ANSWER, told });

  assert.deepEqual(spans, [[1_767_268_800, 1_767_268_820], [1_767_268_850, 1_767_268_860]]);
  assert.deepEqual([1_767_268_819, 1_767_268_820, 1_767_268_855].map((at) => isWithin(spans, at)), [true, false, true]);
  assert.deepEqual(toldSpans({ start: 0, step: 10, count: 1 }), []);
});

test("ticks name the day where it begins, and of long times days, months and years", () => {
  const at = (...parts) => new Date(...parts).getTime() / 1000;

  assert.deepEqual(tickTexts([at(2026, 0, 5, 23, 30), at(2026, 0, 6), at(2026, 0, 6, 0, 30)], 1800), ["23:30", "6 Jan", "00:30"]);
  assert.deepEqual(tickTexts([at(2026, 0, 5, 12, 0, 10)], 10), ["12:00:10"]);
  assert.deepEqual(tickTexts([at(2026, 2, 8), at(2026, 2, 10)], 2 * 86400), ["8 Mar", "10 Mar"]);
  assert.deepEqual(tickTexts([at(2026, 10, 1), at(2026, 11, 1), at(2027, 0, 1)], 30 * 86400), ["Nov", "Dec", "2027"]);
});

test("an instant is as exact as its step", () => {
  const at = new Date(2026, 0, 5, 14, 3, 20).getTime() / 1000;

  assert.equal(timeText(at, 10), "Mon 5 Jan, 14:03:20");
  assert.equal(timeText(at, 300), "Mon 5 Jan, 14:03");
  assert.equal(timeText(at, 21_600), "Mon, 5 Jan 2026, 14:03");
});
