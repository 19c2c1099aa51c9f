// What is known of one resource, as sections of its panel. Every text from outside goes in as text.

import { jobRows } from "./backup-rows.js";
import { bytes, duration, instant, percent, printable, rate, UNKNOWN, uptime } from "./format.js";
import { badge, icon, make, panelAddress } from "./page.js";
import { BACKUP_STATES, backupWhy, fullTime, OUTCOMES, reasonText, sentence, since, SKIPPED } from "./words.js";

/** Rows of one small table; what is longer is told as a number. */
const MOST_ROWS = 60;
const DAY_MS = 24 * 3600 * 1000;
const SOON_DAYS = 30;

// --- Pieces ------------------------------------------------------------------------------------------------------

const epoch = (seconds) => (seconds ? seconds * 1000 : null);

function section(title, read, now, ...content) {
  const at = instant(read ?? "");
  const told = at === null ? "" : make("span", { class: "quiet small", title: fullTime(at) }, `read ${since(at, now)} ago`);
  return make("section", { class: "part" }, make("div", { class: "part-head" }, make("h3", {}, title), told), ...content);
}

function facts(rows) {
  const list = make("dl", { class: "facts-list" });
  for (const [name, value] of rows) {
    if (value === null || value === undefined || value === "") continue;
    list.append(make("div", {}, make("dt", {}, name), make("dd", {}, typeof value === "object" ? value : make("bdi", {}, value))));
  }
  return list;
}

function quiet(text) {
  return make("p", { class: "quiet" }, text);
}

function notice(tone, text) {
  return make("div", { class: "notice", "data-state": tone }, icon("problem"), make("p", {}, text));
}

/** A small table: `columns` are names, with "#" before those of figures; rows are lists of texts or elements. */
function table(caption, columns, rows) {
  const isFigure = columns.map((name) => name.startsWith("#"));
  const head = make("tr", {}, ...columns.map((name, index) => make("th", { scope: "col", class: isFigure[index] ? "figures" : undefined }, name.replace("#", ""))));
  const body = rows.slice(0, MOST_ROWS).map((row) => make(
    "tr",
    {},
    ...row.map((value, index) => make(index === 0 ? "th" : "td", { scope: index === 0 ? "row" : undefined, class: isFigure[index] ? "figures" : undefined }, shown(value))),
  ));
  const more = rows.length > MOST_ROWS ? quiet(`and ${rows.length - MOST_ROWS} more`) : "";
  const name = make("caption", { class: "aside" }, caption);
  return make("div", { class: "small-sheet", tabindex: "0", role: "region", "aria-label": caption }, make("table", { class: "small-table" }, name, make("thead", {}, head), make("tbody", {}, ...body)), more);
}

function shown(value) {
  if (value === null || value === undefined || value === "") return UNKNOWN;
  return typeof value === "object" ? value : make("bdi", {}, String(value));
}

/** Text of a person with its line breaks; nothing in it is markup. */
function written(text) {
  return make("p", { class: "written" }, text.split(/\r\n|\r|\n/u).map(printable).join("\n"));
}

function outcomeBadge(name) {
  return badge(OUTCOMES[name] ?? OUTCOMES.unknown);
}

/** How a task of Proxmox ended, by its own text. */
function taskOutcome({ ended_at: endedAt, status }) {
  if (!status) return endedAt ? "unknown" : "running";
  if (status === "OK") return "ok";
  return status.startsWith("WARNINGS") ? "warning" : "failed";
}

function ago(at, now, never = UNKNOWN) {
  return at ? make("time", { datetime: new Date(at).toISOString(), title: fullTime(at) }, `${since(at, now)} ago`) : never;
}

function ahead(at, now) {
  return at ? make("time", { datetime: new Date(at).toISOString(), title: fullTime(at) }, at > now ? `in ${duration((at - now) / 1000)}` : "now") : UNKNOWN;
}

const good = (word) => badge({ word, icon: "ok", tone: "ok" });
const poor = (word, tone = "warn") => badge({ word, icon: tone === "bad" ? "offline" : "problem", tone });
const plainly = (word) => badge({ word, icon: "stopped", tone: "" });

function taskSection(tasks, now, title = "Tasks") {
  if (!tasks?.length) return section(title, "", now, quiet("No task is known."));
  const rows = tasks.map((task) => [
    printable(task.kind),
    task.subject ? printable(task.subject) : UNKNOWN,
    outcomeBadge(taskOutcome(task)),
    ago(epoch(task.started_at), now),
    task.ended_at && task.started_at ? duration(task.ended_at - task.started_at) : UNKNOWN,
    printable(task.user),
    task.status && task.status !== "OK" ? printable(task.status) : "",
  ]);
  return section(title, "", now, table(title, ["Task", "On", "Result", "Started", "#Took", "By", "What it says"], rows));
}

function replicationSection(jobs, now) {
  if (!jobs?.length) return null;
  const rows = jobs.map((job) => [
    printable(job.id),
    printable(`${job.source} → ${job.target}`),
    job.is_disabled ? plainly("disabled") : job.error || job.failure_count ? poor(`${job.failure_count} failed`, "bad") : job.is_running ? outcomeBadge("running") : good("ok"),
    ago(epoch(job.last_sync_at), now, "never"),
    ahead(epoch(job.next_sync_at), now),
    job.error ? printable(job.error) : printable(job.schedule),
  ]);
  return section("Replication", "", now, table("Replication", ["Job", "Way", "State", "Last sync", "Next", "What it says"], rows));
}

function certificateSection(certificates, now) {
  if (!certificates?.length) return section("Certificates", "", now, quiet("None is told: the account may not see them, or they have not been read yet."));
  const rows = certificates.map((one) => {
    const at = epoch(one.expires_at);
    const days = at === null ? null : Math.floor((at - now) / DAY_MS);
    const left = days === null ? UNKNOWN : days < 0 ? poor("expired", "bad") : days < SOON_DAYS ? poor(`${days} days left`) : `${days} days left`;
    return [printable(one.filename), left, fullTime(at), printable(one.subject), make("span", { class: "mono" }, printable(one.fingerprint))];
  });
  return section("Certificates", "", now, table("Certificates", ["File", "Left", "Until", "Issued to", "SHA-256"], rows));
}

function subscriptionText(one) {
  if (!one) return UNKNOWN;
  const word = one.status === "notfound" ? "none" : one.status;
  return printable([word, one.level, one.product, one.next_due && `until ${one.next_due}`].filter(Boolean).join(", "));
}

function pressureSection(one, read, now) {
  if (!one) return null;
  const word = (value) => (value === null || value === undefined ? UNKNOWN : percent(value));
  return section("Pressure", read, now, table("Pressure", ["What waits", "#Some", "#All"], [
    ["CPU", word(one.cpu_some), word(one.cpu_full)],
    ["Memory", word(one.memory_some), word(one.memory_full)],
    ["Disk", word(one.io_some), word(one.io_full)],
  ]));
}

// --- Guests ------------------------------------------------------------------------------------------------------

function guestSections({ resource, details }, now) {
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
    taskSection(details.tasks, now),
  ];
}

function guestFacts(guest, { configuration, ha, detail }) {
  const wanted = configuration?.balloon_bytes;
  return section("Guest", "", 0, facts([
    ["Node", printable(guest.node)],
    ["Cluster", printable(guest.instance)],
    ["Pool", printable(guest.pool ?? "")],
    ["Tags", (guest.tags ?? []).length ? make("span", { class: "tags" }, ...guest.tags.map((tag) => make("bdi", { class: "tag" }, printable(tag)))) : ""],
    ["Addresses", printable((guest.ipAddresses ?? []).join(", "))],
    ["System", printable(configuration?.os_type ?? "")],
    ["High availability", ha ? printable(`${ha.state}${ha.requested_state && ha.requested_state !== ha.state ? `, asked for: ${ha.requested_state}` : ""} on ${ha.node}`) : printable(guest.haState ?? "")],
    ["Lock", printable(guest.lock ?? "")],
    ["Ballooning", wanted === 0 ? "off" : wanted ? `down to ${bytes(wanted)}` : ""],
    ["Swap", detail?.swap_total_bytes ? `${bytes(detail.swap_used_bytes ?? 0)} of ${bytes(detail.swap_total_bytes)}` : ""],
    ["Starts with the node", configuration ? (configuration.starts_on_boot ? "yes" : "no") : ""],
    ["Protected", configuration?.is_protected ? "yes" : ""],
    ["Guest agent", guest.type === "qemu" && configuration ? (configuration.agent_is_enabled ? "enabled" : "not enabled in its options") : ""],
  ]));
}

function backupSection(judged, now) {
  const told = judged && { backupState: judged.state === "uncovered" ? "uncovered" : judged.freshness, backupReason: judged.reason };
  const state = BACKUP_STATES[told?.backupState];
  if (!state) return section("Backup", "", now, quiet("Its backups have not been judged yet."));
  const excluded = judged.excluded_disks;
  const run = judged.last_run;
  const newest = judged.newest;
  return section(
    "Backup",
    "",
    now,
    make("p", { class: "verdict" }, badge(state), backupWhy(told)),
    facts([
      ["Last good backup", judged.last_good_at ? make("span", {}, ago(instant(judged.last_good_at), now), ` on ${printable(judged.last_good_source)}`) : "none known"],
      ["Newest of all", newest && newest.fault ? make("span", {}, ago(epoch(newest.at), now), ` on ${printable(newest.source)}: ${printable(newest.fault).replaceAll("_", " ")}`) : ""],
      ["Failed verifications", judged.failed_verification_count ? String(judged.failed_verification_count) : ""],
      ["Jobs", judged.jobs.length ? printable(judged.jobs.join(", ")) : "none takes it"],
      ["Due since", judged.due_at && told.backupState === "overdue" ? ago(instant(judged.due_at), now) : ""],
      ["Last run", run ? make("span", {}, outcomeBadge(taskOutcome({ ended_at: run.is_running ? null : 1, status: run.status })), " ", ago(epoch(run.started_at), now), run.status && run.status !== "OK" ? `: ${printable(run.status)}` : "") : ""],
      ["Disks no job takes", excluded === null ? "not known" : excluded.length ? excluded.map((disk) => printable(disk.reason ? `${disk.key} (${disk.reason})` : disk.key)).join(", ") : ""],
      ["Not known because", judged.reason ? reasonText(judged.reason) : ""],
    ]),
  );
}

function filesystemSection(guest, details, now) {
  const told = details.filesystems;
  if (!told?.filesystems?.length) {
    const why = guest.type === "lxc" ? "A container tells its root file system alone." : sentence(reasonText(told?.reason || guest.diskReason || "not_read_yet"));
    return section("File systems", details.filesystemsRead, now, quiet(why));
  }
  const rows = told.filesystems.map((one) => [
    printable(one.mount_point),
    printable(one.kind),
    one.used_bytes === null ? UNKNOWN : bytes(one.used_bytes),
    one.total_bytes === null ? UNKNOWN : bytes(one.total_bytes),
    one.total_bytes ? percent((one.used_bytes / one.total_bytes) * 100) : UNKNOWN,
    one.counted ? good("counted") : plainly(SKIPPED[one.reason] ?? (reasonText(one.reason) || "not counted")),
    printable(one.device),
  ]);
  const exceeds = told.exceeds_configured ? notice("warn", "The guest tells more than its configured disks can hold: it has disks that Proxmox does not know.") : "";
  return section("File systems", details.filesystemsRead, now, exceeds, table("File systems", ["Mounted at", "Kind", "#Used", "#Size", "#Usage", "In the sum", "Device"], rows));
}

function diskSection({ configuration, configurationRead }, now) {
  if (!configuration?.disks?.length) return null;
  const rows = configuration.disks.map((disk) => [
    printable(disk.key),
    printable(disk.volume),
    disk.size_bytes === null ? UNKNOWN : bytes(disk.size_bytes),
    disk.mount_point ? printable(disk.mount_point) : "",
    disk.is_backed_up ? good("yes") : poor("left out"),
  ]);
  return section("Disks", configurationRead, now, table("Disks", ["Disk", "Volume", "#Size", "Mounted at", "In backups"], rows));
}

function addressSection({ addresses, addressesRead }, now) {
  if (!addresses?.length) return null;
  const rows = addresses.map((one) => [printable(one.interface), printable(one.prefix === null ? one.address : `${one.address}/${one.prefix}`), make("span", { class: "mono" }, printable(one.hardware_address))]);
  return section("Addresses", addressesRead, now, table("Addresses", ["Interface", "Address", "Hardware address"], rows));
}

function snapshotSection({ snapshots, snapshotsRead }, now) {
  if (!snapshots?.length) return section("Snapshots", snapshotsRead, now, quiet(instant(snapshotsRead) === null ? "They have not been read yet." : "It has none."));
  const rows = snapshots.map((one) => [
    printable(one.name),
    ago(epoch(one.taken_at), now),
    one.has_memory ? "with memory" : "",
    one.state ? poor(printable(one.state)) : "",
    one.parent ? printable(one.parent) : "",
    one.description ? written(one.description) : "",
  ]);
  return section("Snapshots", snapshotsRead, now, table("Snapshots", ["Name", "Taken", "Memory", "State", "After", "Description"], rows));
}

// --- Nodes -------------------------------------------------------------------------------------------------------

function nodeSections({ resource, details }, now) {
  return [
    nodeFacts(resource, details, now),
    nodeDisks(details, now),
    poolSection(details, now),
    pressureSection(details.pressure, details.pressureRead, now),
    certificateSection(details.certificates, now),
    cephSection(details, now),
    haSection(details.ha, now),
    replicationSection(details.replication, now),
    taskSection(details.tasks, now),
  ];
}

function nodeFacts(node, details, now) {
  const { status } = details;
  const others = Object.entries(details.clusterVersions ?? {}).map(([name, version]) => printable(`${name} ${version}`)).join(", ");
  const skew = details.versionsDiffer ? notice("warn", `The nodes of this cluster run different versions: ${others}.`) : "";
  const lost = details.quorum === false ? notice("bad", "The cluster has no quorum: its configuration cannot be changed and no guest is started.") : "";
  const count = details.updates?.length ?? 0;
  const updates = !details.updates ? UNKNOWN : !count ? "none pending" : `${count} pending: ${details.updates.slice(0, 5).map((one) => printable(one.package)).join(", ")}${count > 5 ? ", …" : ""}`;
  return section("Node", details.statusRead, now, lost, skew, facts([
    ["Cluster", printable(node.instance)],
    ["Version", printable(details.version || node.pveVersion)],
    ["Kernel", printable(node.kernelVersion)],
    ["Processor", printable([node.cpuInfo.model, node.cpuInfo.cores && `${node.cpuInfo.cores} CPUs`].filter(Boolean).join(", "))],
    ["Swap", status?.swap_total_bytes ? `${bytes(status.swap_used_bytes ?? 0)} of ${bytes(status.swap_total_bytes)}` : ""],
    ["Waiting for disks", status && status.io_wait_ratio !== null ? percent(status.io_wait_ratio * 100) : ""],
    ["Shared by KSM", status?.ksm_shared_bytes ? bytes(status.ksm_shared_bytes) : ""],
    ["Started by", status?.boot_mode ? printable(`${status.boot_mode}${status.is_secure_boot ? ", secure boot" : ""}`) : ""],
    ["Time zone", printable(details.timeZone ?? "")],
    ["Quorum", details.quorum === null ? "no cluster, or not told" : details.quorum ? "yes" : "no"],
    ["Subscription", subscriptionText(details.subscription)],
    ["Updates", details.updates ? updates : `${UNKNOWN} ${details.mayReadUpdates ? "not read yet" : "the account may not see them"}`],
  ]));
}

function healthBadge(health) {
  if (!health) return UNKNOWN;
  if (/^(ok|passed|online)$/iu.test(health)) return good(printable(health));
  return /^(unknown)$/iu.test(health) ? plainly("unknown") : poor(printable(health), "bad");
}

function nodeDisks(details, now) {
  if (!details.disks?.length) return section("Disks", details.disksRead, now, quiet("None is told: the account may not see them, or they have not been read yet."));
  const rows = details.disks.map((disk) => {
    const left = disk.life_left_percent;
    return [
      printable(disk.device),
      printable(disk.model),
      printable(disk.kind),
      disk.size_bytes === null ? UNKNOWN : bytes(disk.size_bytes),
      healthBadge(disk.health),
      left === null ? UNKNOWN : left <= 10 ? poor(`${left} % left`, left <= 3 ? "bad" : "warn") : `${left} % left`,
      printable(disk.used_for),
      printable(disk.serial),
    ];
  });
  return section("Disks", details.disksRead, now, table("Disks", ["Device", "Model", "Kind", "#Size", "Health", "Wear", "Used for", "Serial"], rows));
}

function share(used, total) {
  return used === null || !total ? UNKNOWN : `${percent((used / total) * 100)} of ${bytes(total)}`;
}

function poolSection(details, now) {
  const zfs = (details.zfsPools ?? []).map((pool) => [printable(pool.name), "ZFS", healthBadge(pool.health), share(pool.allocated_bytes, pool.size_bytes), pool.fragmentation_percent === null ? UNKNOWN : `${pool.fragmentation_percent} % fragmented`]);
  const thin = (details.thinPools ?? []).map((pool) => [printable(`${pool.volume_group}/${pool.name}`), "LVM thin", UNKNOWN, share(pool.used_bytes, pool.size_bytes), `metadata ${share(pool.metadata_used_bytes, pool.metadata_size_bytes)}`]);
  if (zfs.length + thin.length === 0) return null;
  return section("Pools", details.disksRead, now, table("Pools", ["Pool", "Kind", "Health", "Used", "More"], [...zfs, ...thin]));
}

function cephSection({ ceph, cephOsds, cephPools }, now) {
  if (!ceph) return null;
  const [word, tone] = { HEALTH_OK: ["healthy", "ok"], HEALTH_WARN: ["warning", "warn"], HEALTH_ERR: ["error", "bad"] }[ceph.health] ?? [printable(ceph.health), "warn"];
  const checks = ceph.checks.map((check) => make("li", {}, make("strong", {}, printable(check.name)), ` ${printable(check.message)}${check.is_muted ? " (muted)" : ""}`));
  const osds = (cephOsds ?? []).map((osd) => [printable(osd.name || `osd.${osd.id}`), osd.status === "up" ? good("up") : poor(printable(osd.status || "unknown"), "bad"), osd.is_in === null ? UNKNOWN : osd.is_in ? "in" : "out", osd.total_bytes === null ? UNKNOWN : `${percent(osd.used_percent ?? 0)} of ${bytes(osd.total_bytes)}`, printable(osd.device_class)]);
  const pools = (cephPools ?? []).map((pool) => [printable(pool.name), pool.used_bytes === null ? UNKNOWN : bytes(pool.used_bytes), pool.used_ratio === null ? UNKNOWN : percent(pool.used_ratio * 100), pool.size === null ? UNKNOWN : `${pool.size}, at least ${pool.min_size}`]);
  return section(
    "Ceph", "", now,
    make("p", { class: "verdict" }, badge({ word, icon: tone === "ok" ? "ok" : "problem", tone }), `${ceph.osd_up_count ?? UNKNOWN} of ${ceph.osd_count ?? UNKNOWN} OSDs up, ${share(ceph.used_bytes, ceph.total_bytes)} used, reads ${rate(ceph.read_bytes_per_second ?? -1)}, writes ${rate(ceph.write_bytes_per_second ?? -1)}`),
    checks.length ? make("ul", { class: "checks" }, ...checks) : "",
    osds.length ? table("OSDs of this node", ["OSD", "State", "In", "Used", "Class"], osds) : "",
    pools.length ? table("Ceph pools", ["Pool", "#Used", "#Usage", "Copies"], pools) : "",
  );
}

function haSection(ha, now) {
  if (!ha || (!ha.services.length && !ha.master_node)) return null;
  const services = ha.services.map((one) => [printable(one.id), printable(one.node), one.state === "error" || one.state === "fence" ? poor(printable(one.state), "bad") : printable(one.state), printable(one.requested_state)]);
  const nodes = ha.nodes.map((one) => [printable(one.node), printable(one.status), ago(epoch(one.seen_at), now)]);
  return section(
    "High availability", "", now,
    facts([["Master", printable(`${ha.master_node}: ${ha.master_status}`)], ["Fencing", printable(ha.fencing ?? "")]]),
    nodes.length ? table("Resource managers", ["Node", "Status", "Seen"], nodes) : "",
    services.length ? table("Services", ["Service", "Node", "State", "Asked for"], services) : "",
  );
}

// --- Storages, backup servers, mail gateways ----------------------------------------------------------------------

function storageSections({ resource, details }) {
  const definition = details.definition;
  return [section("Storage", "", 0, facts([
    ["Cluster", printable(resource.instance)],
    ["Seen by", printable(resource.shared ? (resource.nodes ?? []).join(", ") || "all nodes" : resource.node)],
    ["Kind", printable(resource.type)],
    ["Status", printable(resource.status)],
    ["Content", printable(resource.content.replaceAll(",", ", "))],
    ["Path", printable(definition?.path ?? "")],
    ["Server", printable(definition?.server ?? "")],
    ["Datastore", printable([definition?.datastore, definition?.namespace].filter(Boolean).join("/"))],
    ["User", printable(definition?.username ?? "")],
    ["Only on", definition?.nodes?.length ? printable(definition.nodes.join(", ")) : ""],
    ["Fingerprint", definition?.fingerprint ? make("span", { class: "mono" }, printable(definition.fingerprint)) : ""],
  ]), definition ? "" : quiet("How it is defined is not told: the account may not see it, or it has not been read yet."))];
}

function serverSections({ resource, details }, now) {
  return [
    section("Server", "", now, facts([
      ["Address", printable(resource.host)],
      ["Version", printable(resource.version)],
      ["Time zone", printable(details.timeZone ?? "")],
      ["Subscription", subscriptionText(details.subscription)],
    ])),
    datastoreSection(resource, now),
    jobSection(resource, now),
    attributionSection(details.attributions, now),
    certificateSection(details.certificates, now),
    taskSection(details.tasks, now),
  ];
}

function datastoreSection(server, now) {
  const rows = server.datastores.map((store) => [
    printable(store.name),
    store.error ? poor(printable(store.error), "bad") : store.maintenance ? poor(`maintenance: ${printable(store.maintenance)}`) : good(printable(store.status)),
    make("a", { href: panelAddress(server.id, `datastores.${store.name}.usage`) }, store.used + store.free ? percent(store.usage) : UNKNOWN),
    bytes(store.free),
    store.fullAt ? ahead(instant(store.fullAt), now) : UNKNOWN,
    store.deduplication ? `${store.deduplication.toFixed(1)} times` : UNKNOWN,
    (store.namespaces ?? []).map((one) => (one.path ? printable(one.path) : "root")).join(", "),
  ]);
  if (!rows.length) return section("Datastores", "", now, quiet("None is visible: the account may lack Datastore.Audit."));
  return section("Datastores", "", now, table("Datastores", ["Datastore", "State", "#Usage", "#Free", "Full", "Deduplicated", "Namespaces"], rows));
}

function jobSection(server, now) {
  const rows = jobRows([server]).map((job) => [
    printable(job.job),
    job.kind,
    printable(job.store),
    job.isDisabled ? plainly("disabled") : outcomeBadge(job.status),
    ago(job.at, now, job.status === "running" ? UNKNOWN : "never"),
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
    const whose = one.instance ? `${one.instance}, guest ${one.vmid}${one.guest_is_known ? "" : " (gone)"}` : one.candidates.length ? `may be of ${one.candidates.join(" or ")}` : "";
    return [printable(key.replace(/\/?\|/u, " · ")), badge({ word: one.state, icon: name, tone }), printable(whose), one.evidence.map(([rule, text]) => printable(`${rule}: ${text}`)).join("; ")];
  });
  return section("Whose are the backups?", "", now, table("Whose the backups are", ["Group", "Judgement", "Whose", "Evidence"], rows));
}

const STATISTICS = {
  countIn: "Mails in", countOut: "Mails out", bytesIn: "Bytes in", bytesOut: "Bytes out", spamIn: "Spam in", spamOut: "Spam out", virusIn: "Viruses in", virusOut: "Viruses out",
  bouncesIn: "Bounces in", bouncesOut: "Bounces out", junkIn: "Junk in", greylisted: "Greylisted", spfRejects: "Refused by SPF", rblRejects: "Refused by lists", averageSeconds: "Average time",
};

/** Returns a figure of the mail statistics as text. */
export function mailFigure(name, value) {
  if (name.startsWith("bytes")) return bytes(value);
  return name.endsWith("Seconds") ? `${value.toFixed(1)} s` : value.toLocaleString("en-US").replaceAll(",", "\u202f");
}

function mailSections({ resource, details }, now) {
  const statistics = Object.entries(resource.statistics ?? {}).map(([name, value]) => [STATISTICS[name] ?? printable(name), mailFigure(name, value)]);
  const nodes = resource.nodes.map((node) => [
    printable(node.name),
    node.status === "online" ? good("online") : poor("offline", "bad"),
    printable(node.role || "single"),
    node.inSync === null || node.inSync === undefined ? UNKNOWN : node.inSync ? "in step" : poor("out of step"),
    node.error ? UNKNOWN : percent(node.cpu * 100),
    node.memory.total ? percent(node.memory.usage) : UNKNOWN,
    node.disk.total ? percent(node.disk.usage) : UNKNOWN,
    uptime(node.uptime),
    Object.entries(node.queues).map(([queue, total]) => printable(`${queue} ${total}`)).join(", "),
    printable(node.error ?? ""),
  ]);
  return [
    section("Gateway", "", now, facts([["Address", printable(resource.host)], ["Version", printable(resource.nodes.find((node) => node.version)?.version ?? "")]])),
    nodes.length ? section("Nodes", "", now, table("Nodes of the gateway", ["Node", "State", "Role", "Cluster", "#CPU", "#Memory", "#Disk", "Up", "Queues", "What it says"], nodes)) : section("Nodes", "", now, quiet("No node is known yet.")),
    queueSection(details, now),
    section("Since midnight", "", now, statistics.length ? facts(statistics) : quiet("The statistics have not been read yet.")),
  ];
}

function queueSection({ queues, queuesRead }, now) {
  const rows = Object.entries(queues ?? {}).flatMap(([node, list]) => list.map((one) => [printable(node), printable(one.queue), String(one.total), (one.by_minutes ?? []).filter(([, count]) => count).map(([age, count]) => `${printable(age)}: ${count}`).join(", ")]));
  return rows.length ? section("Queues", queuesRead, now, table("Queues", ["Node", "Queue", "#Waiting", "By age"], rows)) : null;
}

const SECTIONS = { nodes: nodeSections, vms: guestSections, containers: guestSections, storage: storageSections, pbs: serverSections, pmg: mailSections };

/** Returns the sections of what `GET /api/resources/<id>` answered. */
export function sectionsOf(answer, now) {
  return SECTIONS[answer.collection](answer, now).filter(Boolean);
}
