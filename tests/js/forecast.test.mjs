import assert from "node:assert/strict";
import { test } from "node:test";

import { about, forecastOf, forecastWords } from "../../pulse/static/pulse/js/forecast.js";

const DAY = 86_400_000;
const NOW = new Date(2026, 2, 10, 12).getTime();
const at = (days) => new Date(NOW + days * DAY).toISOString();
const growing = (others) => ({ state: "growing", fullAt: at(21), earliest: at(14), latest: at(40), bytesPerDay: 3 * 2 ** 30, ...others });

test("a span has the unit in which one would plan", () => {
  const cases = [[0, "1 day"], [1.4, "1 day"], [13, "13 days"], [14, "2 weeks"], [21, "3 weeks"], [59, "8 weeks"], [61, "2 months"], [400, "13 months"], [729, "2 years"]];
  for (const [days, text] of cases) assert.equal(about(days * DAY), text);
});

test("what grows has a day, its bounds and its pace", () => {
  assert.deepEqual(forecastWords(growing(), NOW), {
    short: "in about 3 weeks",
    text: "Full in about 3 weeks (between 24 Mar and 19 Apr), as it grows by 3.0\u202fGiB a day.",
    tone: "warn",
  });
});

test("a bound of another year names it, and one that is not within two years is open", () => {
  assert.equal(forecastWords(growing({ fullAt: at(300), earliest: at(100), latest: null }), NOW).text, "Full in about 10 months (18 Jun at the earliest), as it grows by 3.0\u202fGiB a day.");
  assert.match(forecastWords(growing({ fullAt: at(300), latest: at(500) }), NOW).text, /and 23 Jul 2027\)/);
  assert.deepEqual(forecastWords(growing({ fullAt: null, earliest: at(600), latest: null }), NOW), { short: "not within 2 years", text: "It will not be full within two years, as it grows by 3.0\u202fGiB a day.", tone: "" });
});

test("a week is urgent and a month worth a look", () => {
  assert.deepEqual([3, 6.9, 7.1, 29, 31].map((days) => forecastWords(growing({ fullAt: at(days) }), NOW).tone), ["bad", "bad", "warn", "warn", ""]);
});

test("what cannot be told says why", () => {
  const cases = [
    [{ state: "full" }, "It is full."],
    [{ state: "not_growing", bytesPerDay: 0 }, "It is not growing."],
    [{ state: "not_growing", bytesPerDay: -1024 }, "It is not growing; it shrinks by 1.0\u202fKiB a day."],
    [{ state: "too_little", seenDays: 1.5 }, "When it is full cannot be told yet: it was seen for 1\u202fd 12\u202fh only."],
    [{ state: "too_uncertain", earliest: at(20) }, "When it is full is too uncertain to tell, hardly before 30 Mar."],
    [{ state: "too_uncertain", earliest: null }, "When it is full is too uncertain to tell."],
  ];
  for (const [forecast, text] of cases) assert.equal(forecastWords(forecast, NOW).text, text);
});

test("without a forecast, or without a known use, nothing is said", () => {
  for (const one of [null, undefined, { state: "unknown" }]) assert.equal(forecastWords(one, NOW), null);
});

test("a part has a forecast of its own", () => {
  const details = { forecast: { state: "full" }, partForecasts: { "pool:tank": { state: "growing" } } };

  assert.equal(forecastOf(details).state, "full");
  assert.equal(forecastOf(details, "pool:tank").state, "growing");
  assert.equal(forecastOf(details, "pool:other"), null);
  assert.equal(forecastOf({}, ""), null);
  assert.equal(forecastOf(undefined, "pool:tank"), null);
});
