import assert from "node:assert/strict";
import { test } from "node:test";

import { age, bytes, duration, elapsed, instant, level, percent, printable, rate, uptime } from "../../pulse/static/pulse/js/format.js";

const GAP = "\u202f";

test("bytes have binary units and two or three digits", () => {
  const cases = [[0, "0 B"], [999, "999 B"], [1000, "1.0 KiB"], [1536, "1.5 KiB"], [1048576, "1.0 MiB"], [34359738368, "32 GiB"], [1979120929996, "1.8 TiB"]];
  for (const [count, text] of cases) assert.equal(bytes(count), text.replace(" ", GAP));
});

test("what is not known is a dash and never zero", () => {
  assert.equal(bytes(-1), "—");
  assert.equal(bytes(undefined), "—");
  assert.equal(rate(-1), "—");
  assert.equal(percent(NaN), "—");
  assert.equal(percent(null), "—");
  assert.equal(duration(-1), "—");
  assert.equal(uptime(0), "—");
});

test("a rate of zero is known", () => {
  assert.equal(rate(0), `0${GAP}B/s`);
  assert.equal(rate(2048), `2.0${GAP}KiB/s`);
});

test("a percentage has a decimal below ten", () => {
  for (const [value, text] of [[0, "0"], [0.44, "0.4"], [9.94, "9.9"], [9.96, "10"], [42.4, "42"], [100, "100"]]) {
    assert.equal(percent(value), `${text}${GAP}%`);
  }
});

test("a duration has its two largest units", () => {
  const cases = [[0, "0_s"], [59, "59_s"], [60, "1_min"], [3600, "1_h"], [3661, "1_h 1_min"], [90000, "1_d 1_h"], [9000000, "104_d"]];
  for (const [seconds, text] of cases) assert.equal(duration(seconds), text.replaceAll("_", GAP));
});

test("old figures tell their age in one unit", () => {
  for (const [minutes, text] of [[null, "stale"], [0, "stale"], [7, "7_min old"], [59, "59_min old"], [60, "1_h old"], [1439, "23_h old"], [1440, "1_d old"]]) {
    assert.equal(age(minutes), text.replace("_", GAP));
  }
});

test("the zero time of the contract is no instant", () => {
  assert.equal(instant("0001-01-01T00:00:00Z"), null);
  assert.equal(instant(""), null);
  assert.equal(instant("1970-01-01T00:00:01Z"), 1000);
});

test("levels change at their percentage", () => {
  assert.equal(level(79.9, "cpu"), "");
  assert.equal(level(80, "cpu"), "warn");
  assert.equal(level(90, "cpu"), "bad");
  assert.equal(level(75, "memory"), "warn");
  assert.equal(level(85, "memory"), "bad");
});

test("hidden characters are spelled out", () => {
  assert.equal(printable("web\u202egnp.exe"), "web⟨202E⟩gnp.exe");
  assert.equal(printable("a\u200bb"), "a⟨200B⟩b");
  assert.equal(printable("a\nb"), "a⟨000A⟩b");
  assert.equal(printable("pay\u200dpal"), "pay⟨200D⟩pal");
});

test("emoji and markup stay as they are", () => {
  assert.equal(printable("👩‍👧 fox"), "👩‍👧 fox");
  assert.equal(printable("<img src=x onerror=alert(1)>"), "<img src=x onerror=alert(1)>");
});

test("an instant of the future was told by another clock: how long ago it was is not known", () => {
  assert.equal(elapsed(1000, 61000), 60);
  assert.equal(elapsed(4000, 1000), 0);
  for (const seconds of [6, 3600, 86400]) {
    assert.equal(elapsed(seconds * 1000, 0), null);
    assert.equal(duration(elapsed(seconds * 1000, 0)), "—");
  }
});
