// What is known of a guest, as sections of its panel.

import { bytes, instant, percent, printable, UNKNOWN } from "./format.js";
import { badge, make } from "./page.js";
import { ago, endText, facts, good, notice, outcomeBadge, plainly, poor, pressureSection, quiet, replicationSection, section, table, taskSection, withFull, written } from "./panel-parts.js";
import { backupLook, backupWhy, FAULTS, fullTime, reasonText, sentence, SKIPPED } from "./words.js";

export function guestSections({ resource, details }, now) {
  return [
    guestFacts(resource, details),
    backupSection(details.backups, now),
    details.configuration?.notes ? section("Notes", details.configurationRead, now, written(details.configuration.notes)) : null,
    filesystemSection(resource, details, now),
    diskSection(details, now),
    addressSection(details, now),
    snapshotSection(details, now),
    pressureSection(details.detail?.pressure, details.detailRead, now),
    replicationSection(details.replication, now),
    taskSection(details, now),
  ];
}

function guestFacts(guest, { configuration, ha, detail, system }) {
  const wanted = configuration?.balloonBytes;
  return section("Guest", "", 0, facts([
    ["Node", printable(guest.node)],
    ["Cluster", printable(guest.instance)],
    ["Pool", printable(guest.pool ?? "")],
    ["Tags", (guest.tags ?? []).length ? make("span", { class: "tags" }, ...guest.tags.map((tag) => make("bdi", { class: "tag" }, printable(tag)))) : ""],
    ["Addresses", printable((guest.ipAddresses ?? []).join(", "))],
    ["System", printable(system ? system.name : configuration?.osType ?? "")],
    ["Its kernel", printable([system?.kernel, system?.machine].filter(Boolean).join(", "))],
    ["High availability", ha ? printable(`${ha.state}${ha.requestedState && ha.requestedState !== ha.state ? `, asked for: ${ha.requestedState}` : ""} on ${ha.node}`) : printable(guest.haState ?? "")],
    ["Lock", printable(guest.lock ?? "")],
    ["Configured memory", configuration?.memoryBytes ? bytes(configuration.memoryBytes) : ""],
    ["Ballooning", wanted === 0 ? "off" : wanted ? `down to ${bytes(wanted)}` : ""],
    ["Swap", detail?.swapTotalBytes ? `${bytes(detail.swapUsedBytes ?? 0)} of ${bytes(detail.swapTotalBytes)}` : ""],
    ["Starts with the node", configuration ? (configuration.startsOnBoot ? "yes" : "no") : ""],
    ["Protected", configuration?.isProtected ? "yes" : ""],
    ["Guest agent", guest.type === "qemu" && configuration ? (configuration.agentIsEnabled ? "enabled" : "not enabled in its options") : ""],
  ]));
}

function backupSection(judged, now) {
  const told = judged && { backupState: judged.state === "uncovered" ? "uncovered" : judged.freshness, backupReason: judged.reason };
  const state = told && backupLook(told);
  if (!state) return section("Backup", "", now, quiet("Its backups have not been judged yet."));
  const excluded = judged.excludedDisks;
  const run = judged.lastRun;
  const newest = judged.newest;
  return section(
    "Backup",
    "",
    now,
    make("p", { class: "verdict" }, badge(state), backupWhy(told)),
    facts([
      ["Last good backup", judged.lastGood ? make("span", {}, ago(instant(judged.lastGood), now), ` on ${printable(judged.lastGoodSource)}`) : "none known"],
      ["Newest of all", newest && newest.fault ? make("span", {}, ago(instant(newest.taken), now), ` on ${printable(newest.source)}: ${FAULTS[newest.fault] ?? reasonText(newest.fault)}`) : ""],
      ["Dated in the future", judged.aheadCount ? `${judged.aheadCount}, up to ${fullTime(instant(judged.ahead))}: such backups count for nothing` : ""],
      ["Failed verifications", judged.failedVerificationCount ? String(judged.failedVerificationCount) : ""],
      ["Jobs", judged.jobs.length ? printable(judged.jobs.join(", ")) : "none takes it"],
      ["Cannot be checked", judged.uncheckedJobs?.length ? printable(judged.uncheckedJobs.join(", ")) : ""],
      ["Due since", judged.due && told.backupState === "overdue" ? ago(instant(judged.due), now) : ""],
      ["Last run", run ? make("span", {}, outcomeBadge(run.outcome), " ", ago(instant(run.started), now), endText(run) && `: ${endText(run)}`) : ""],
      ["Disks no job takes", excluded === null ? "not known" : excluded.length ? excluded.map((disk) => printable(disk.reason ? `${disk.key} (${disk.reason})` : disk.key)).join(", ") : ""],
      ["In doubt", judged.otherName ? `its newest backup carries the name “${printable(judged.otherName)}”: it may be of an earlier guest with this number` : ""],
      ["Not known because", judged.reason ? reasonText(judged.reason) : ""],
    ]),
  );
}

/** The root of a container as its host sees it, and its mount points, of which Proxmox tells nothing but their size. */
function containerFilesystems(guest, details, now) {
  const { configuration, configurationRead, mountPoints } = details;
  const size = (count) => (count ? bytes(count) : UNKNOWN);
  const volume = configuration?.disks.find((disk) => disk.key === "rootfs")?.volume ?? "";
  const [used, usage] = guest.diskReason ? [UNKNOWN, UNKNOWN] : [bytes(guest.disk.used), percent(guest.disk.usage)];
  const rows = [
    ["/", used, size(guest.disk.total), usage, printable(volume)],
    ...(mountPoints ?? []).map((one) => [printable(one.mountPoint || one.key), UNKNOWN, size(one.size), UNKNOWN, printable(one.volume)]),
  ];
  const note = mountPoints === null ? "Its mount points have not been read yet." : mountPoints.length ? "How full mount points are, Proxmox does not tell." : "";
  return section("File systems", configurationRead, now, table("File systems", ...withFull(["Mounted at", "#Used", "#Size", "#Usage", "Volume"], rows, (index) => (index ? "filesystem:" : ""), details, now)), note ? quiet(note) : "");
}

function filesystemSection(guest, details, now) {
  if (guest.type === "lxc") return containerFilesystems(guest, details, now);
  const told = details.filesystems;
  if (!told?.filesystems?.length) {
    const why = sentence(reasonText(told?.reason || guest.diskReason || "not_read_yet"));
    return section("File systems", details.filesystemsRead, now, quiet(why));
  }
  const rows = told.filesystems.map((one) => [
    printable(one.mountPoint),
    printable(one.kind),
    one.usedBytes === null ? UNKNOWN : bytes(one.usedBytes),
    one.totalBytes === null ? UNKNOWN : bytes(one.totalBytes),
    one.totalBytes ? percent((one.usedBytes / one.totalBytes) * 100) : UNKNOWN,
    one.counted ? good("counted") : plainly(SKIPPED[one.reason] ?? (reasonText(one.reason) || "not counted")),
    printable(one.device),
  ]);
  const exceeds = told.exceedsConfigured ? notice("warn", "The guest tells more than its configured disks can hold: it has disks that Proxmox does not know.") : "";
  return section("File systems", details.filesystemsRead, now, exceeds, table("File systems", ...withFull(["Mounted at", "Kind", "#Used", "#Size", "#Usage", "In the sum", "Device"], rows, (index) => `filesystem:${told.filesystems[index].mountPoint}`, details, now)));
}

function diskSection({ configuration, configurationRead }, now) {
  if (!configuration?.disks?.length) return null;
  const rows = configuration.disks.map((disk) => [
    printable(disk.key),
    printable(disk.volume),
    disk.sizeBytes === null ? UNKNOWN : bytes(disk.sizeBytes),
    disk.mountPoint ? printable(disk.mountPoint) : "",
    disk.isBackedUp ? good("yes") : poor("left out"),
  ]);
  return section("Disks", configurationRead, now, table("Disks", ["Disk", "Volume", "#Size", "Mounted at", "In backups"], rows));
}

function addressSection({ addresses, addressesRead }, now) {
  if (!addresses?.length) return null;
  const rows = addresses.map((one) => [printable(one.interface), printable(one.prefix === null ? one.address : `${one.address}/${one.prefix}`), make("span", { class: "mono" }, printable(one.hardwareAddress))]);
  return section("Addresses", addressesRead, now, table("Addresses", ["Interface", "Address", "Hardware address"], rows));
}

function snapshotSection({ snapshots, snapshotsRead }, now) {
  if (!snapshots?.length) return section("Snapshots", snapshotsRead, now, quiet(instant(snapshotsRead) === null ? "They have not been read yet." : "It has none."));
  const rows = snapshots.map((one) => [
    printable(one.name),
    ago(instant(one.taken), now),
    one.hasMemory ? "with memory" : "",
    one.state ? poor(printable(one.state)) : "",
    one.parent ? printable(one.parent) : "",
    one.description ? written(one.description) : "",
  ]);
  return section("Snapshots", snapshotsRead, now, table("Snapshots", ["Name", "Taken", "Memory", "State", "After", "Description"], rows));
}
