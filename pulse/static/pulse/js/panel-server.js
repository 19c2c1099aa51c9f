// What is known of a storage, a backup server or a mail gateway, as sections of its panel.

import { hasNeverRun, jobRows } from "./backup-rows.js";
import { bytes, duration, instant, percent, printable, UNKNOWN, uptime } from "./format.js";
import { badge, icon, make, panelAddress } from "./page.js";
import { disksSection, expiryText, machineRows, poolSection, share, updatesText } from "./panel-node.js";
import { ago, ahead, certificateSection, facts, fullCell, good, outcomeBadge, plainly, poor, quiet, section, subscriptionText, table, taskSection, withFull } from "./panel-parts.js";
import { DATASTORE_STATES, keptOn, LEVELS_OF_SUPPORT, MAIL_STATISTICS, mailFigure, queueAge, troubleText, versionText } from "./server-words.js";
import { ATTRIBUTIONS, emptyText, EVIDENCE, since } from "./words.js";

export function storageSections({ resource, details }, now) {
  const definition = details.definition;
  return [section("Storage", details.definitionRead, now, facts([
    ["Cluster", printable(resource.instance)],
    ["Seen by", printable(resource.shared ? (resource.nodes ?? []).join(", ") || "all nodes" : resource.node)],
    ["Kind", printable(resource.type)],
    ["Status", printable(resource.status)],
    ["Content", printable(resource.content.replaceAll(",", ", "))],
    ["Full", fullCell(details, "", now)],
    ["Path", printable(definition?.path ?? "")],
    ["Server", printable(definition?.server ?? "")],
    ["Datastore", printable([definition?.datastore, definition?.namespace].filter(Boolean).join("/"))],
    ["User", printable(definition?.username ?? "")],
    ["Only on", definition?.nodes?.length ? printable(definition.nodes.join(", ")) : ""],
    ["Fingerprint", definition?.fingerprint ? make("span", { class: "mono" }, printable(definition.fingerprint)) : ""],
  ]), definition ? "" : quiet("How it is defined is not told: the account may not see it, or it has not been read yet."))];
}

export function serverSections({ resource, details }, now) {
  return [
    serverFacts(resource, details, now),
    datastoreSection(resource, details, now),
    jobSection(resource, now),
    garbageSection(details, now),
    disksSection(details, now),
    poolSection(details, now),
    attributionSection(details.attributions, now),
    certificateSection(details, now),
    taskSection(details, now),
  ];
}

function serverFacts(server, details, now) {
  const { status } = details;
  const silent = status ? "" : quiet("The figures of the machine are not told: the account may not see them (Sys.Audit on /system/status), or they have not been read yet.");
  return section("Server", details.statusRead, now, facts([
    ["Address", printable(server.host)],
    ["Version", versionText("PBS", server.version)],
    ["Up", status ? uptime(server.uptime) : ""],
    ["Load", (status?.loadAverage ?? []).map((one) => one.toFixed(2)).join("  ")],
    ["Processor", printable([status?.cpuModel, status?.cpuCount && `${status.cpuCount} CPUs`].filter(Boolean).join(", "))],
    ["Root disk", status?.rootTotalBytes ? share(status.rootUsedBytes, status.rootTotalBytes) : ""],
    ["Kernel", printable(status?.kernelVersion ?? "")],
    ...machineRows(status),
    ["Time zone", printable(details.timeZone ?? "")],
    ["Account of Pulse expires", expiryText(details, now)],
    ["Subscription", subscriptionText(details.subscription)],
    ["Updates", updatesText(details)],
  ]), silent);
}

function datastoreSection(server, details, now) {
  const rows = server.datastores.map((store) => {
    const explained = (number, text) => make("a", { href: panelAddress(server.id, `datastores.${store.name}.${number}`) }, text);
    const isKnown = store.used + store.free > 0;
    return [
      printable(store.name),
      storeState(store),
      explained("usage", isKnown ? percent(store.usage) : UNKNOWN),
      isKnown ? bytes(store.free) : UNKNOWN,
      store.fullAt ? explained("fullAt", ahead(instant(store.fullAt), now)) : UNKNOWN,
      store.deduplication ? explained("deduplication", `${store.deduplication.toFixed(1)} times`) : UNKNOWN,
      keptOn(store),
      (store.namespaces ?? []).map((one) => (one.path ? printable(one.path) : "root")).join(", "),
      printable(store.comment ?? ""),
    ];
  });
  if (!rows.length) return section("Datastores", details.usageRead, now, quiet(emptyText(details.usageRead, "Datastore.Audit")));
  const columns = withFull(["Datastore", "State", "#Usage", "#Free", "Full by PBS", "Deduplicated", "Kept on", "Namespaces", "Comment"], rows, (index) => `datastore:${server.datastores[index].name}`, details, now);
  const at = instant(details.datastoresRead ?? "");
  const read = at === null ? "Maintenance and comments have not been read yet." : `Maintenance and comments were read ${since(at, now)} ago.`;
  return section("Datastores", details.usageRead, now, table("Datastores", ...columns), quiet(read));
}

function storeState(store) {
  const trouble = troubleText(store);
  const state = DATASTORE_STATES[store.status] ?? DATASTORE_STATES.unknown;
  if (!trouble) return badge(state);
  return store.status === "available" ? poor(trouble) : badge(state, trouble);
}

/** What the last garbage collection of each datastore found. */
function garbageSection({ garbage, datastores, usageRead }, now) {
  const jobs = new Map((garbage ?? []).map((job) => [job.store, job]));
  const rows = (datastores ?? []).map((store) => garbageRow(store, jobs.get(store.name), now)).filter(Boolean);
  if (!rows.length) return null;
  return section("Garbage collection", usageRead, now, table("Garbage collection", ["Datastore", "Last run", "#Took", "#Removed", "#Pending", "#Deduplicated", "Bad chunks"], rows));
}

function garbageRow(store, job, now) {
  const bad = job?.badChunkCount ?? store.badChunks;
  const factor = job?.diskBytes && job.indexBytes !== null ? job.indexBytes / job.diskBytes : store.deduplication;
  const [removed, pending] = [job?.removedBytes ?? store.removedBytes, job?.pendingBytes ?? store.pendingBytes];
  if (!job && bad === null && factor === null) return null;
  return [
    printable(store.name),
    ago(instant(store.collected ?? job?.lastRunEnded), now, "never"),
    job?.durationSeconds ? duration(job.durationSeconds) : UNKNOWN,
    removed === null ? UNKNOWN : bytes(removed),
    pending === null ? UNKNOWN : bytes(pending),
    factor === null ? UNKNOWN : `${factor.toFixed(1)} times`,
    bad === null ? UNKNOWN : bad ? poor(`${bad} bad: backups that need them cannot be restored`, "bad") : "none",
  ];
}

function jobSection(server, now) {
  const rows = jobRows([server]).map((job) => [
    printable(job.job),
    job.kind,
    printable(job.store),
    job.isDisabled ? plainly("disabled") : outcomeBadge(job.outcome),
    ago(job.at, now, hasNeverRun(job) ? "never" : UNKNOWN),
    ahead(job.nextAt, now),
    job.missedAt ? poor(`missed ${since(job.missedAt, now)} ago`) : "",
    printable(job.text || job.schedule),
  ]);
  if (!rows.length) return section("Jobs", "", now, quiet("None is known: there are none, or the account may not see them."));
  return section("Jobs", "", now, table("Jobs", ["Job", "Kind", "Datastore", "Last run", "Ended", "Next", "Missed", "What it says"], rows));
}

const WHOSE = { attributed: ["ok", "ok"], ambiguous: ["problem", "warn"], foreign: ["stopped", ""], unknown: ["unknown", "warn"] };

function attributionSection(attributions, now) {
  const order = ["ambiguous", "unknown", "foreign", "attributed"];
  const groups = Object.entries(attributions ?? {}).sort(([, a], [, b]) => order.indexOf(a.state) - order.indexOf(b.state));
  if (!groups.length) return section("Whose are the backups?", "", now, quiet("No group of backups has been judged yet."));
  const rows = groups.map(([key, one]) => {
    const [name, tone] = WHOSE[one.state] ?? WHOSE.unknown;
    const whose = one.instance ? `${one.instance}, guest ${one.vmid}${one.guestIsKnown ? "" : " (gone)"}` : one.candidates.length ? `may be of ${one.candidates.join(" or ")}` : "";
    return [printable(key.replace(/\/?\|/u, " · ")), badge({ word: ATTRIBUTIONS[one.state] || printable(one.state), icon: name, tone }), printable(whose), one.evidence.map(([rule, text]) => `${EVIDENCE[rule] ?? printable(rule)}: ${printable(text)}`).join("; ")];
  });
  return section("Whose are the backups?", "", now, table("Whose the backups are", ["Group", "Judgement", "Whose", "Evidence"], rows));
}

const MAIL_COLUMNS = ["Node", "State", "Role", "Cluster", "Version", "#CPU", "#Memory", "#Swap", "#Disk", "Load", "Up", "Queues", "Kernel", "Clock", "Address", "What it says"];

export function mailSections({ resource, details }, now) {
  const told = resource.statistics ?? {};
  const statistics = Object.entries(MAIL_STATISTICS).filter(([name]) => name in told).map(([name, word]) => [word, mailFigure(name, told[name])]);
  const known = new Map((details.nodes ?? []).map((one) => [one.name, one]));
  const nodes = resource.nodes.map((node) => mailNodeRow(resource.id, node, known.get(node.name), details.nodesRead));
  const versions = [...new Set(resource.nodes.map((node) => versionText("PMG", node.version)).filter(Boolean))];
  return [
    section("Gateway", "", now, facts([["Address", printable(resource.host)], ["Version", versions.join(", ")], ["Subscription", supportOf(details.nodes)]])),
    nodes.length ? section("Nodes", details.nodesRead, now, table("Nodes of the gateway", MAIL_COLUMNS, nodes)) : section("Nodes", details.nodesRead, now, quiet("No node is known yet.")),
    queueSection(resource.id, details, now),
    section("Since midnight of the gateway", details.statisticsRead, now, statistics.length ? facts(statistics) : quiet("The statistics have not been read yet.")),
  ];
}

/** Seconds that asking all nodes one after the other may take. */
const CLOCK_SECONDS = 60;

/** How far the clock of a node is from that of Pulse, by what it said when it was asked. */
function clockText(known, read) {
  const [clock, asked] = [instant(known?.clock ?? ""), instant(read ?? "")];
  if (!clock || !asked) return UNKNOWN;
  const seconds = Math.round((clock - asked) / 1000);
  if (Math.abs(seconds) <= CLOCK_SECONDS) return "as that of Pulse";
  return poor(`${duration(Math.abs(seconds))} ${seconds > 0 ? "ahead of" : "behind"} that of Pulse`);
}

function mailNodeRow(id, node, known, read) {
  const explained = (number, text) => make("a", { href: panelAddress(id, `nodes.${node.name}.${number}`) }, text);
  return [
    printable(node.name),
    node.status === "online" ? good("online") : poor("offline", "bad"),
    printable(node.role || "single"),
    node.inSync === null || node.inSync === undefined ? UNKNOWN : node.inSync ? "in step" : poor("out of step"),
    versionText("PMG", node.version),
    node.cpu === null ? UNKNOWN : explained("cpu", percent(node.cpu * 100)),
    node.memory ? explained("memory", percent(node.memory.usage)) : UNKNOWN,
    known?.swapTotalBytes ? share(known.swapUsedBytes, known.swapTotalBytes) : "",
    node.disk ? explained("disk", percent(node.disk.usage)) : UNKNOWN,
    (known?.loadAverage ?? []).map((one) => one.toFixed(2)).join("  "),
    node.uptime === null ? UNKNOWN : uptime(node.uptime),
    Object.entries(node.queues).map(([queue, total]) => printable(`${queue} ${total}`)).join(", "),
    printable(known?.kernelVersion ?? ""),
    clockText(known, read),
    printable(known?.address ?? ""),
    printable(node.error ?? ""),
  ];
}

function supportOf(nodes) {
  const levels = new Set((nodes ?? []).filter((one) => !one.error).map((one) => LEVELS_OF_SUPPORT[one.subscriptionLevel] ?? (printable(one.subscriptionLevel) || "none")));
  return [...levels].join(", ");
}

function queueSection(id, { queues, queuesRead }, now) {
  const rows = Object.entries(queues ?? {}).flatMap(([node, list]) => list.map((one) => [
    printable(node),
    printable(one.queue),
    make("a", { href: panelAddress(id, `nodes.${node}.queues.${one.queue}`) }, mailFigure("count", one.total)),
    (one.byMinutes ?? []).filter(([, count]) => count).map(([age, count]) => `${queueAge(age)}: ${count}`).join(", "),
  ]));
  return rows.length ? section("Queues", queuesRead, now, table("Queues", ["Node", "Queue", "#Waiting", "By age"], rows)) : null;
}
