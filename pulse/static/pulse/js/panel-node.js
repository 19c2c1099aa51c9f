// What is known of a node, as sections of its panel.

import { bytes, duration, instant, percent, printable, rate, UNKNOWN } from "./format.js";
import { badge, icon, make } from "./page.js";
import { ago, ahead, certificateSection, facts, good, notice, plainly, poor, pressureSection, quiet, replicationSection, section, subscriptionText, table, taskSection, withFull } from "./panel-parts.js";
import { versionText } from "./server-words.js";
import { emptyText, since } from "./words.js";

export function nodeSections({ resource, details }, now) {
  return [
    nodeFacts(resource, details, now),
    clusterSection(details, now),
    disksSection(details, now, resource.status),
    poolSection(details, now),
    nodeStorageSection(details, now),
    serviceSection(details, now),
    repositorySection(details, now),
    pressureSection(details.pressure, details.pressure?.measured ?? details.pressureRead, now),
    certificateSection(details, now, resource.status),
    cephSection(details, now),
    haSection(details, now),
    replicationSection(details.replication, now),
    taskSection(details, now),
  ];
}

function nodeFacts(node, details, now) {
  const { status } = details;
  const others = Object.entries(details.clusterVersions ?? {}).map(([name, version]) => printable(`${name} ${version}`)).join(", ");
  // Of different releases the problems tell; this is about the smaller steps.
  const isTold = details.concerns?.some((concern) => concern.code === "versions_differ");
  const skew = details.versionsDiffer && !isTold ? notice("warn", `The nodes of this cluster run different versions: ${others}.`) : "";
  return section("Node", details.statusRead, now, skew, facts([
    ["Cluster", printable(node.instance)],
    ["Version", versionText("PVE", details.version || node.pveVersion)],
    ["Kernel", printable(node.kernelVersion)],
    ["Processor", printable([node.cpuInfo.model, node.cpuInfo.cores && `${node.cpuInfo.cores} CPUs`].filter(Boolean).join(", "))],
    ["Cores", status?.cpuCores ? String(status.cpuCores) : ""],
    ...machineRows(status),
    ["Shared by KSM", status?.ksmSharedBytes ? bytes(status.ksmSharedBytes) : ""],
    ["Time zone", printable(details.timeZone ?? "")],
    ["ZFS cache", node.arcBytes ? `${bytes(node.arcBytes)} of the used memory` : ""],
    ["Quorum", details.quorumDetail ? "" : details.quorum === null ? "no cluster, or not told" : details.quorum ? "yes" : "no"],
    ["Account of Pulse expires", expiryText(details, now)],
    ["Subscription", subscriptionText(details.subscription)],
    ["Updates", updatesText(details)],
  ]));
}

/** What nodes and backup servers tell alike of their machine. */
export function machineRows(status) {
  return [
    ["Swap", status?.swapTotalBytes ? `${bytes(status.swapUsedBytes ?? 0)} of ${bytes(status.swapTotalBytes)}` : ""],
    ["Waiting for disks", status && status.ioWaitRatio !== null ? percent(status.ioWaitRatio * 100) : ""],
    ["Started by", status?.bootMode ? printable(`${status.bootMode}${status.isSecureBoot ? ", secure boot" : ""}`) : ""],
  ];
}

/** When the account or token by which the host is asked expires; nothing while that is not known. */
export function expiryText({ credentialExpires, credentialRead }, now) {
  if (!instant(credentialRead ?? "")) return "";
  return credentialExpires ? ahead(instant(credentialExpires), now) : "never";
}

export function updatesText({ updates, mayReadUpdates }) {
  if (!updates) return `${UNKNOWN} ${mayReadUpdates === false ? "the account may not see them" : "not read yet"}`;
  if (!updates.length) return "none pending";
  const names = updates.slice(0, 5).map((one) => printable(one.package)).join(", ");
  const steps = updates.map((one) => printable(`${one.package} ${one.oldVersion} → ${one.version}`)).join("\n");
  return make("span", { title: steps }, `${updates.length} pending: ${names}${updates.length > 5 ? ", …" : ""}`);
}

function clusterSection({ quorum, quorumDetail: told }, now) {
  if (!told) return null;
  const device = told.qdevice;
  const count = (votes) => (votes === null ? UNKNOWN : String(votes));
  const rows = told.nodes.map((one) => [printable(one.node), count(one.votes), one.online === null ? UNKNOWN : one.online ? good("online") : poor("offline", "bad")]);
  const cut = told.qdeviceKnown && device?.connected === false ? notice("warn", `The QDevice is not connected (${printable(device.state)}): its ${device.votes === 1 ? "vote does" : "votes do"} not count.`) : "";
  return section("Cluster", told.votesRead, now, cut, facts([
    ["Name", printable(told.name)],
    ["Quorum", quorum === null ? UNKNOWN : quorum ? good("yes") : poor("no", "bad")],
    ["Votes", votesText(told, quorum)],
    ["Configuration", told.configVersion === null ? "" : `version ${told.configVersion}`],
    ["QDevice", device ? printable([device.model, device.host && `at ${device.host}`].filter(Boolean).join(" ")) : told.qdeviceKnown ? "none" : `${UNKNOWN} not told`],
    ["QDevice state", device ? qdeviceState(device, told, now) : ""],
    ["QDevice votes", device ? printable(`${count(device.votes)}${device.algorithm ? `, ${device.algorithm}` : ""}`) : ""],
  ]), table("Votes of the nodes", ["Node", "#Votes", "State"], rows));
}

/** The votes; where the host's own word on the quorum is another than more than half would have, how many it takes is not known. */
function votesText({ presentVotes, expectedVotes, neededVotes }, quorum) {
  const count = (votes) => (votes === null ? UNKNOWN : String(votes));
  const there = `${count(presentVotes)} of ${count(expectedVotes)}`;
  if (neededVotes !== null || presentVotes === null || expectedVotes === null) return `${there}, ${count(neededVotes)} needed`;
  return quorum
    ? `${there}, enough here (two_node is set, or the expected votes were lowered)`
    : `${there}, not enough here (the cluster may wait for all, or this node is apart)`;
}

/** What the daemon of one node says of the QDevice; that of another may say otherwise. */
function qdeviceState(device, { qdeviceKnown, qdeviceRead, seenFrom }, now) {
  const word = printable(device.state || "unknown").toLowerCase();
  const at = instant(qdeviceRead ?? "");
  if (!qdeviceKnown) return badge({ word: at === null ? "unknown" : `unknown, not asked since ${since(at, now)}`, icon: "unknown", tone: "warn" });
  const silent = device.connected && device.castsVote === false ? ", casts no vote" : "";
  const from = seenFrom ? `, seen from ${printable(seenFrom)}` : "";
  return device.connected ? good(`${word}${silent}${from}`) : poor(`${word}${from}`);
}

function healthBadge(health) {
  if (!health) return UNKNOWN;
  if (/^(ok|passed|online)$/iu.test(health)) return good(printable(health));
  if (/^unknown$/iu.test(health)) return plainly("unknown");
  return /^smart disabled$/iu.test(health) ? plainly("SMART disabled") : poor(printable(health), "bad");
}

const DISK_COLUMNS = ["Model", "Kind", "#Size", "Used for", "Serial"];
/** Directly behind the device, so that a narrow screen shows them. */
const SMART_COLUMNS = ["Health", "Life left", "#Temperature", "#Power-on"];

export function disksSection(details, now, status) {
  const disks = details.disks ?? [];
  if (!disks.length) return section("Disks", details.disksRead, now, quiet(emptyText(details.disksRead, "", status)));
  const rows = disks.map((disk) => {
    const told = details.smartIsRead ? smartCells(disk) : [];
    return [printable(disk.device), ...told, printable(disk.model), printable(disk.kind), disk.sizeBytes === null ? UNKNOWN : bytes(disk.sizeBytes), usedFor(disk), printable(disk.serial || disk.wwn)];
  });
  const columns = ["Device", ...(details.smartIsRead ? SMART_COLUMNS : []), ...DISK_COLUMNS];
  return section("Disks", details.disksRead, now, table("Disks", columns, rows), quiet(smartText(details, now)));
}

/** What a disk is used for, with the OSDs on it. */
function usedFor({ usedFor: word, osdIds }) {
  return printable([word, ...(osdIds ?? []).map((id) => `osd.${id}`)].filter(Boolean).join(", "));
}

function smartCells(disk) {
  const { lifeLeftPercent: left, temperatureCelsius: celsius, powerOnHours: hours } = disk;
  const life = `${left}\u202f%`; // told in whole percents
  return [
    healthBadge(disk.health),
    left === null ? UNKNOWN : left <= 10 ? poor(life, left <= 3 ? "bad" : "warn") : life,
    celsius === null ? UNKNOWN : `${celsius}\u202f°C`,
    hours === null ? UNKNOWN : make("span", { title: `${hours}\u202fh` }, duration(hours * 3600)),
  ];
}

function smartText({ smartIsRead, disks }, now) {
  if (!smartIsRead) return "SMART is not read here: turn it on in the settings of this node.";
  const times = disks.map((disk) => instant(disk.smartRead)).filter(Boolean);
  return times.length ? `SMART was read ${since(Math.min(...times), now)} ago; it is asked twice a day.` : "SMART has not been read yet; it is asked twice a day.";
}

export function share(used, total) {
  return used === null || !total ? UNKNOWN : `${percent((used / total) * 100)} of ${bytes(total)}`;
}

export function poolSection(details, now) {
  const zfs = (details.zfsPools ?? []).map((pool) => [printable(pool.name), "ZFS", healthBadge(pool.health), share(pool.allocatedBytes, pool.sizeBytes), pool.fragmentationPercent === null ? UNKNOWN : `${pool.fragmentationPercent} % fragmented`]);
  const thin = (details.thinPools ?? []).map((pool) => [printable(`${pool.volumeGroup}/${pool.name}`), "LVM thin", UNKNOWN, share(pool.usedBytes, pool.sizeBytes), `metadata ${share(pool.metadataUsedBytes, pool.metadataSizeBytes)}`]);
  if (zfs.length + thin.length === 0) return null;
  return section("Pools", details.zfsPoolsRead ?? details.thinPoolsRead, now, table("Pools", ...withFull(["Pool", "Kind", "Health", "Used", "More"], [...zfs, ...thin], (index) => `pool:${details.zfsPools?.[index]?.name ?? ""}`, details, now)), ...zfsDetails(details.zfsDetails, now));
}

/** What each ZFS pool tells of its last scrub, its data and its disks. */
function zfsDetails(pools, now) {
  return Object.entries(pools ?? {}).sort().flatMap(([name, { detail, read }]) => {
    const at = instant(read ?? "");
    const devices = detail.devices.map((one) => [printable(one.name), healthBadge(one.state), count(one.readErrors), count(one.writeErrors), count(one.checksumErrors), printable(one.message)]);
    return [
      facts([
        [`ZFS pool ${printable(name)}`, at === null ? "" : `read ${since(at, now)} ago`],
        ["Scrub", printable(detail.scan)],
        ["Data", printable(detail.errors)],
        ["Status", printable(detail.status)],
        ["What to do", printable(detail.action)],
      ]),
      devices.length ? table(`Disks of ZFS pool ${printable(name)}`, ["Disk", "State", "#Read errors", "#Write errors", "#Checksum errors", "What it says"], devices) : "",
    ];
  });
}

function count(errors) {
  return errors === null ? UNKNOWN : errors ? poor(String(errors)) : "0";
}

/** The storages as the node itself probed them: one that is enabled and not active does not answer there. */
function nodeStorageSection({ storages, storagesRead }, now) {
  if (!storages?.length) return null;
  const state = (one) => (one.isEnabled === false ? plainly("disabled") : one.isActive ? good("active") : one.isActive === null ? UNKNOWN : poor("not active", "bad"));
  const rows = storages.map((one) => [printable(one.name), state(one), one.isActive ? share(one.usedBytes, one.totalBytes) : UNKNOWN]);
  return section("Storages as seen from here", storagesRead, now, table("Storages of the node", ["Storage", "State", "Used"], rows));
}

/** Which repositories of Proxmox a node has, and what Proxmox finds wrong with any. */
function repositorySection({ repositories, repositoriesRead }, now) {
  if (!repositories) return null;
  const standard = repositories.standard.filter((one) => one.isEnabled !== null).map((one) => [printable(one.name), one.isEnabled ? "enabled" : "disabled"]);
  const problems = repositories.problems.map((one) => make("li", {}, make("strong", {}, printable(one.path)), ` ${printable(one.message)}`));
  return section(
    "Package repositories", repositoriesRead, now,
    problems.length ? make("ul", { class: "checks" }, ...problems) : "",
    standard.length ? facts(standard) : quiet("None of those that Proxmox offers is set up."),
  );
}

/** The services of a node; what nobody wants to run is told last and without alarm. */
function serviceSection({ services, servicesRead }, now) {
  if (!services?.length) return null;
  const isOff = (one) => ["disabled", "masked", "masked-runtime", "not-found", "bad"].includes(one.unitState);
  const rows = [...services].sort((a, b) => isOff(a) - isOff(b)).map((one) => {
    const word = printable(one.state || one.activeState || "unknown");
    return [printable(one.name), isOff(one) ? plainly(word) : one.state === "running" ? good(word) : one.state === "failed" ? poor(word, "bad") : plainly(word), printable(one.unitState)];
  });
  return section("Services", servicesRead, now, table("Services of the node", ["Service", "State", "At start"], rows));
}

/** What Ceph tells beside its health; rates are not told while it is idle. */
function cephRows(ceph) {
  const groups = ceph.placementGroups.map(([state, number]) => `${number} ${printable(state)}`).join(", ");
  const perSecond = (number) => (number === null ? UNKNOWN : `${number}/s`);
  return [
    ["OSDs in", ceph.osdInCount === null ? "" : `${ceph.osdInCount} of ${ceph.osdCount ?? UNKNOWN}`],
    ["Monitors in quorum", ceph.monitorCount === null ? "" : `${ceph.quorum.length} of ${ceph.monitorCount}: ${ceph.quorum.map(printable).join(", ")}`],
    ["Manager", ceph.managerIsAvailable === null ? "" : ceph.managerIsAvailable ? good("available") : poor("not available", "bad")],
    ["Placement groups", ceph.placementGroupCount === null ? groups : `${ceph.placementGroupCount}${groups ? `: ${groups}` : ""}`],
    ["Operations", `reads ${perSecond(ceph.readOperationsPerSecond)}, writes ${perSecond(ceph.writeOperationsPerSecond)}`],
  ];
}

/** What exactly a check of Ceph is about, such as which OSD. */
function checkLines({ details, detailCount }) {
  if (!details?.length) return "";
  const more = detailCount - details.length;
  return make("ul", {}, ...details.map((line) => make("li", {}, printable(line))), ...(more > 0 ? [make("li", {}, `and ${more} more`)] : []));
}

function cephSection({ ceph, cephRead, cephOsds, cephPools, cephFlags, stale }, now) {
  if (!ceph) return null;
  const isOld = (stale ?? []).includes("ceph");
  const [word, tone] = isOld ? [`unknown, ${printable(ceph.health)} when it last answered`, "warn"] : { HEALTH_OK: ["healthy", "ok"], HEALTH_WARN: ["warning", "warn"], HEALTH_ERR: ["error", "bad"] }[ceph.health] ?? [printable(ceph.health), "warn"];
  const checks = ceph.checks.map((check) => make("li", {}, make("strong", {}, printable(check.name)), ` ${printable(check.message)}${check.isMuted ? " (muted)" : ""}`, checkLines(check)));
  const flags = (cephFlags ?? []).filter((one) => one.isSet).map((one) => printable(one.name));
  const osds = (cephOsds ?? []).map((osd) => [printable(osd.name || `osd.${osd.id}`), osd.status === "up" ? good("up") : poor(printable(osd.status || "unknown"), "bad"), osd.isIn === null ? UNKNOWN : osd.isIn ? "in" : "out", osd.totalBytes === null ? UNKNOWN : `${percent(osd.usedPercent ?? 0)} of ${bytes(osd.totalBytes)}`, printable(osd.deviceClass)]);
  const pools = (cephPools ?? []).map((pool) => [printable(pool.name), pool.usedBytes === null ? UNKNOWN : bytes(pool.usedBytes), pool.usedRatio === null ? UNKNOWN : percent(pool.usedRatio * 100), pool.size === null ? UNKNOWN : `${pool.size}, at least ${pool.minSize}`, pool.placementGroupCount === null ? UNKNOWN : String(pool.placementGroupCount)]);
  return section(
    "Ceph", cephRead, now,
    make("p", { class: "verdict" }, badge({ word, icon: tone === "ok" ? "ok" : "problem", tone }), `${ceph.osdUpCount ?? UNKNOWN} of ${ceph.osdCount ?? UNKNOWN} OSDs up, ${share(ceph.usedBytes, ceph.totalBytes)} used, reads ${rate(ceph.readBytesPerSecond ?? -1)}, writes ${rate(ceph.writeBytesPerSecond ?? -1)}`),
    facts(cephRows(ceph)),
    checks.length ? make("ul", { class: "checks" }, ...checks) : "",
    flags.length ? facts([["Flags set", flags.join(", ")]]) : "",
    osds.length ? table("OSDs of this node", ["OSD", "State", "In", "Used", "Class"], osds) : "",
    pools.length ? table("Ceph pools", ["Pool", "#Used", "#Usage", "Copies", "#Placement groups"], pools) : "",
  );
}

function haSection({ ha, haRead }, now) {
  if (!ha || (!ha.services.length && !ha.masterNode)) return null;
  const services = ha.services.map((one) => [printable(one.id), printable(one.node), one.state === "error" || one.state === "fence" ? poor(printable(one.state), "bad") : printable(one.state), printable(one.requestedState)]);
  const nodes = ha.nodes.map((one) => [printable(one.node), printable(one.status), ago(instant(one.seen), now)]);
  return section(
    "High availability", haRead, now,
    facts([["Master", printable(`${ha.masterNode}: ${ha.masterStatus}`)], ["Fencing", printable(ha.fencing ?? "")]]),
    nodes.length ? table("Resource managers", ["Node", "Status", "Seen"], nodes) : "",
    services.length ? table("Services", ["Service", "Node", "State", "Asked for"], services) : "",
  );
}
