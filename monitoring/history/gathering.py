"""What is true of an instance now, as codes: one shot of each kind of object.

Only what was seen just now: of a node, a guest or a storage that could not be looked at there is nothing, which is a gap.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from monitoring.figures.guests import GuestFigures
from monitoring.figures.nodes import NodeFigures
from monitoring.figures.rates import UNKNOWN_RATES
from monitoring.figures.servers import GatewayFigures, ServerFigures
from monitoring.figures.storages import StorageFigures
from monitoring.history import metrics
from monitoring.history.batches import bytes_of
from monitoring.history.metrics import Kind, Metric
from monitoring.history.scales import UNKNOWN
from monitoring.known.head import Shot
from nodes.proxmox.readings.guests import PressureReading
from nodes.proxmox.readings.live import PbsStatusReading
from nodes.proxmox.readings.mail import MailNodeReading, MailQueueReading, MailStatisticsReading

#: What is known of one object, by metric.
Values = Mapping[Metric, float | None]

NO_PRESSURE = PressureReading()
#: The pressures of a reading, as they are kept.
PRESSURES: Mapping[str, Metric] = {
    "cpu_some": metrics.PRESSURE_CPU_SOME,
    "cpu_full": metrics.PRESSURE_CPU_FULL,
    "io_some": metrics.PRESSURE_IO_SOME,
    "io_full": metrics.PRESSURE_IO_FULL,
    "memory_some": metrics.PRESSURE_MEMORY_SOME,
    "memory_full": metrics.PRESSURE_MEMORY_FULL,
}
QUEUES: Mapping[str, Metric] = {
    "active": metrics.MAIL_ACTIVE,
    "deferred": metrics.MAIL_DEFERRED,
    "incoming": metrics.MAIL_INCOMING,
    "hold": metrics.MAIL_HELD,
}


def shot_of(pks: Sequence[int], figures: Mapping[Metric, Iterable[float | None]]) -> Shot:
    """Return the shot of objects, in the order of their keys; a metric of which nothing is known is left out."""
    planes: dict[int, bytes] = {}
    for metric, values in figures.items():
        codes = metric.scale.codes(values)
        if codes.count(UNKNOWN) < len(codes):
            planes[metric.code] = bytes_of(array("h", codes))
    return Shot(tuple(pks), planes)


def shot_of_rows(rows: Mapping[int, Values]) -> Shot:
    """Return the shot of some few objects, each with what is known of it."""
    pks = sorted(rows)
    known = dict.fromkeys(metric for values in rows.values() for metric in values)
    return shot_of(pks, {metric: [rows[pk].get(metric) for pk in pks] for metric in known})


def percent(ratio: float | None) -> float | None:
    """Return a ratio in percent."""
    return None if ratio is None else ratio * 100


def guests_shot(
    guests: Iterable[GuestFigures], pks: Mapping[int, int], host_memory: Mapping[int, int]
) -> Shot:
    """Return the shot of the guests; `pks` and what each costs its node in bytes are by vmid.

    Metric after metric: there may be ten thousand of them, at every poll.
    """
    seen = [(pks[one.vmid], one) for one in guests if not one.is_stale and one.vmid in pks]
    seen.sort(key=lambda pair: pair[0])
    every = [one for _, one in seen]
    rates = [one.rates or UNKNOWN_RATES for one in every]
    figures: dict[Metric, list[float | None]] = {
        metrics.CPU: [None if one.cpu_ratio is None else one.cpu_ratio * 100 for one in every],
        metrics.MEMORY_USED: [one.memory.used_bytes for one in every],
        metrics.MEMORY_TOTAL: [one.memory.total_bytes for one in every],
        metrics.DISK_USED: [one.disk.used_bytes for one in every],
        metrics.DISK_TOTAL: [
            one.disk.total_bytes if one.disk.used_bytes is not None else None for one in every
        ],
        metrics.NETWORK_IN: [one.network_in_bytes_per_second for one in rates],
        metrics.NETWORK_OUT: [one.network_out_bytes_per_second for one in rates],
        metrics.DISK_READ: [one.disk_read_bytes_per_second for one in rates],
        metrics.DISK_WRITE: [one.disk_write_bytes_per_second for one in rates],
    }
    if host_memory:
        figures[metrics.HOST_MEMORY] = [host_memory.get(one.vmid) for one in every]
    if any(one.swap_total_bytes for one in every):
        figures[metrics.SWAP_USED] = [one.swap_used_bytes for one in every]
        figures[metrics.SWAP_TOTAL] = [one.swap_total_bytes for one in every]
    if any(one.pressure is not None for one in every):
        pressures = [one.pressure or NO_PRESSURE for one in every]
        figures |= {metric: [getattr(one, name) for one in pressures] for name, metric in PRESSURES.items()}
    return shot_of([pk for pk, _ in seen], figures)


def node_values(node: NodeFigures) -> Values:
    """Return what is known of a node that is online."""
    pressure = node.pressure or NO_PRESSURE
    return {
        metrics.CPU: percent(node.cpu_ratio),
        metrics.IO_WAIT: percent(node.io_wait_ratio),
        **loads(node.load_average),
        metrics.MEMORY_USED: node.memory_used_bytes,
        metrics.MEMORY_TOTAL: node.memory_total_bytes,
        metrics.SWAP_USED: node.swap_used_bytes,
        metrics.SWAP_TOTAL: node.swap_total_bytes,
        metrics.DISK_USED: node.root.used_bytes,
        metrics.DISK_TOTAL: node.root.total_bytes,
        metrics.NETWORK_IN: node.network_in_bytes_per_second,
        metrics.NETWORK_OUT: node.network_out_bytes_per_second,
        metrics.ARC: node.arc_bytes,
        **{metric: getattr(pressure, name) for name, metric in PRESSURES.items()},
    }


def loads(load_average: Sequence[float]) -> Values:
    """Return the load over 1, 5 and 15 minutes."""
    return dict(zip((metrics.LOAD_1, metrics.LOAD_5, metrics.LOAD_15), load_average, strict=False))


def use(used_bytes: int | None, total_bytes: int | None) -> Values:
    """Return how full something is; nothing when it is not known how large it is."""
    return {metrics.DISK_USED: used_bytes, metrics.DISK_TOTAL: total_bytes} if total_bytes else {}


def storage_values(storage: StorageFigures) -> Values:
    """Return how full a storage is."""
    return use(storage.used_bytes, storage.total_bytes)


def is_seen(storage: StorageFigures) -> bool:
    """Return whether the figures of a storage are of now."""
    return not storage.is_stale and storage.status == "available"


def server_values(server: ServerFigures) -> Values:
    """Return what is known of the host of a PBS."""
    return machine_values(server.host) if server.host is not None else {}


def datastore_values(server: ServerFigures) -> dict[str, Values]:
    """Return how full each datastore is; as PBS itself computes it, the whole is what is used and what is available."""
    return {
        one.name: use(
            one.used_bytes,
            one.used_bytes + one.available_bytes
            if one.used_bytes is not None and one.available_bytes is not None
            else one.total_bytes,
        )
        for one in server.datastores
        if not one.is_stale and one.status == "available"
    }


def machine_values(host: PbsStatusReading | MailNodeReading) -> Values:
    """Return what a backup server or a node of a mail gateway tells of its machine."""
    return {
        metrics.CPU: percent(host.cpu_ratio),
        metrics.IO_WAIT: percent(getattr(host, "io_wait_ratio", None)),
        **loads(host.load_average),
        metrics.MEMORY_USED: host.memory_used_bytes,
        metrics.MEMORY_TOTAL: host.memory_total_bytes,
        metrics.SWAP_USED: host.swap_used_bytes,
        metrics.SWAP_TOTAL: host.swap_total_bytes,
        **use(host.root_used_bytes, host.root_total_bytes),
    }


def gateway_values(statistics: MailStatisticsReading | None) -> Values:
    """Return the mails of today, since the midnight of the gateway."""
    if statistics is None:
        return {}
    return {
        metrics.MAIL_IN_TODAY: statistics.count_in,
        metrics.MAIL_OUT_TODAY: statistics.count_out,
        metrics.SPAM_IN_TODAY: statistics.spam_in,
        metrics.VIRUS_IN_TODAY: statistics.virus_in,
    }


def mail_node_values(gateway: GatewayFigures) -> dict[str, Values]:
    """Return what is known of each node of a mail gateway that the asked one reaches."""
    return {
        node.name: {**machine_values(node), **queue_values(gateway.queues.get(node.name, ()))}
        for node in gateway.nodes
        if not node.error
    }


def queue_values(queues: Iterable[MailQueueReading]) -> Values:
    """Return how many mails wait."""
    return {QUEUES[one.queue]: one.total for one in queues if one.queue in QUEUES}


def whole_shots(rows: Mapping[Kind, Mapping[int, Values]]) -> dict[int, Shot]:
    """Return the shots of the kinds of which something is known."""
    shots: dict[int, Any] = {}
    for kind, objects in rows.items():
        if objects:
            shot = shot_of_rows(objects)
            if shot.planes:
                shots[kind] = shot
    return shots
