// Which charts there are of which kind of resource; pure.

/** Charts by their name: `series` are pairs of a metric and its word, `total` the metric of what there is of it; one that `fills` has a forecast. */
const CHARTS = {
  cpu: { title: "CPU", unit: "percent", series: [["cpu", "CPU"], ["ioWait", "Waiting for disks"]] },
  load: { title: "Load", unit: "processes", series: [["load1", "1 min"], ["load5", "5 min"], ["load15", "15 min"]] },
  memory: { title: "Memory", unit: "bytes", series: [["memoryUsed", "Used"], ["arc", "ZFS cache"], ["swapUsed", "Swap"]], total: "memoryTotal" },
  guestMemory: { title: "Memory", unit: "bytes", series: [["memoryUsed", "Used"], ["hostMemory", "Cost to the node"], ["swapUsed", "Swap"]], total: "memoryTotal" },
  rootDisk: { title: "Root disk", unit: "bytes", series: [["diskUsed", "Used"]], total: "diskTotal", fills: true },
  disk: { title: "Disk", unit: "bytes", series: [["diskUsed", "Used"]], total: "diskTotal", fills: true },
  used: { title: "Used", unit: "bytes", series: [["diskUsed", "Used"]], total: "diskTotal", fills: true },
  usage: { title: "Usage", unit: "percent", series: [["disk", "Usage"]] },
  network: { title: "Network", unit: "bytes per second", series: [["netin", "In"], ["netout", "Out"]] },
  diskRates: { title: "Disk reads and writes", unit: "bytes per second", series: [["diskread", "Read"], ["diskwrite", "Write"]] },
  pressure: { title: "Pressure", unit: "percent", series: [["pressureCpuSome", "CPU"], ["pressureIoSome", "Disk"], ["pressureMemorySome", "Memory"]] },
  queues: { title: "Queues", unit: "count", series: [["mailActive", "Active"], ["mailDeferred", "Deferred"], ["mailIncoming", "Incoming"], ["mailHeld", "Held"]] },
  mails: { title: "Mails since midnight", unit: "count", series: [["mailInToday", "In"], ["mailOutToday", "Out"]] },
  junk: { title: "Junk since midnight", unit: "count", series: [["spamInToday", "Spam"], ["virusInToday", "Viruses"]] },
};

const GUEST = ["cpu", "guestMemory", "disk", "network", "diskRates", "pressure"];
const USE = ["used", "usage"];
const OF_COLLECTION = {
  vms: GUEST,
  containers: GUEST,
  nodes: ["cpu", "load", "memory", "rootDisk", "network", "pressure"],
  storage: USE,
  pbs: ["cpu", "load", "memory", "rootDisk", "network", "diskRates"],
  pmg: ["mails", "junk"],
};
const OF_PART = { datastore: USE, pool: USE, filesystem: USE, node: ["queues", "cpu", "load", "memory", "rootDisk", "network"] };
/** Without a value these are no news: most machines do not have what they show. */
const OPTIONAL = new Set(["pressure", "diskRates", "load", "network"]);

/** Returns the charts of a resource, or of a part of it such as `pool:tank`, as `{name, title, unit, series, total}`. */
export function chartsOf(collection, part = "") {
  const names = part ? (OF_PART[part.split(":")[0]] ?? USE) : OF_COLLECTION[collection];
  return names.map((name) => ({ name, total: "", ...CHARTS[name] }));
}

/**
 * Returns the same charts with `lines`: what an answer knows of each, `{metric, label, series, unit}`. A chart without any is kept, as
 * nothing may be known for a while, where it is not one that many resources never have.
 */
export function drawn(charts, answer, isKnown) {
  return charts
    .map((chart) => ({ ...chart, lines: chart.series.map(([metric, label]) => ({ metric, label, series: answer.series[metric] })).filter(({ series }) => isKnown(series)) }))
    .filter(({ name, lines }) => lines.length || !OPTIONAL.has(name));
}

/** Returns the metrics that a chart draws, for the request of its file: others a resource may not have, which the API refuses. */
export function metricsOf({ lines, total }, answer) {
  return [...lines.map(({ metric }) => metric), ...(answer.series[total] ? [total] : [])].join(",");
}

/** Returns the parts of a resource that have a history of their own, as `[value, word]`; details may not be read yet. */
export function partsOf(collection, resource, details) {
  if (collection === "nodes") return (details?.zfsPools ?? []).map(({ name }) => [`pool:${name}`, `Pool ${name}`]);
  if (collection === "pbs") return (resource.datastores ?? []).map(({ name }) => [`datastore:${name}`, `Datastore ${name}`]);
  if (collection === "pmg") return (resource.nodes ?? []).map(({ name }) => [`node:${name}`, `Node ${name}`]);
  if (collection !== "vms") return [];
  const files = (details?.filesystems?.filesystems ?? []).filter((one) => one.totalBytes && one.mountPoint);
  return files.map(({ mountPoint }) => [`filesystem:${mountPoint}`, `File system ${mountPoint}`]);
}
