import assert from "node:assert/strict";
import { test } from "node:test";

import { keptOn, MAIL_STATISTICS, mailFigure, queueAge, troubleText, upkeepText, versionText } from "../../pulse/static/pulse/js/server-words.js";

test("maintenance is told in words with its message, and kinds that are not known as they came", () => {
  const cases = [
    [{}, ""],
    [{ maintenance: "read-only" }, "maintenance: read-only"],
    [{ maintenance: "unmount", maintenanceMessage: "moving\u202ehouse" }, "maintenance: being unmounted (moving⟨202E⟩house)"],
    [{ maintenance: "s3-refresh" }, "maintenance: being read anew from S3"],
    [{ maintenance: "constructor" }, "maintenance: constructor"],
  ];
  for (const [store, text] of cases) assert.equal(upkeepText(store), text);
});

test("what keeps a datastore from being used is told whole", () => {
  const cases = [
    [{ status: "available" }, ""],
    [{ status: "available", maintenance: "read-only" }, "maintenance: read-only"],
    [{ status: "unavailable", error: "no such directory" }, "no such directory"],
    [{ status: "unavailable", maintenance: "offline", error: "is unavailable" }, "maintenance: offline · is unavailable"],
    [{ status: "unavailable" }, "cannot be read"],
    [{ status: "unknown" }, "figures not told"],
    [{ status: "of later versions" }, "figures not told"],
  ];
  for (const [store, text] of cases) assert.equal(troubleText(store), text);
});

test("a datastore tells on what it is kept", () => {
  assert.equal(keptOn({}), "");
  assert.equal(keptOn({ backend: "s3", mountStatus: "nonremovable" }), "S3: the figures are of its local cache");
  assert.equal(keptOn({ backend: "filesystem", mountStatus: "notmounted" }), "file system, removable");
  assert.equal(keptOn({ backend: "tape" }), "tape");
});

test("mail figures have their unit", () => {
  const cases = [["countIn", 12345, "12\u202f345 mails"], ["virusIn", 1, "1 mail"], ["bytesOut", 1048576, "1.0\u202fMiB"], ["averageSeconds", 1.42, "1.4\u202fs"], ["averageSeconds", 2, "2\u202fs"]];
  for (const [name, value, text] of cases) assert.equal(mailFigure(name, value), text);
  assert.equal(Object.keys(MAIL_STATISTICS).length, 15);
});

test("the age of waiting mails is told as a span", () => {
  const cases = [["5m", "up to 5\u202fmin"], ["1280m", "up to 21\u202fh 20\u202fmin"], ["1280m+", "over 21\u202fh 20\u202fmin"], ["later", "later"]];
  for (const [column, text] of cases) assert.equal(queueAge(column), text);
});

test("a release is told as its product and its number", () => {
  const cases = [["PMG", "pmg-api/9.1.0/09158948b9568e81", "PMG 9.1.0"], ["PVE", "9.2.4", "PVE 9.2.4"], ["PVE", "pve-manager/7.4-16/0f39f621", "PVE 7.4-16"], ["PBS", "connected", "connected"], ["PBS", undefined, ""]];
  for (const [product, told, text] of cases) assert.equal(versionText(product, told), text);
});
