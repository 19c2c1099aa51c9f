"""What is wrong with one node below its guests: services, pools, disks, certificates, subscription; pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from monitoring.concerns.shapes import CRITICAL, DAY_SECONDS, WARNING, Concern, Level, days_left
from monitoring.concerns.software import repositories, stopped_services
from monitoring.concerns.zfs import zfs
from monitoring.figures.nodes import NodeFigures
from monitoring.known.disks import of_smart
from monitoring.known.facts import Facts, NodeFacts, SmartFacts
from monitoring.known.freshness import manages_services
from nodes.proxmox.readings.hardware import (
    CertificateReading,
    DiskReading,
    SubscriptionReading,
    ThinPoolReading,
)
from nodes.proxmox.readings.live import ClusterReading

#: Words of SMART that are no news, in lower case; the last two say that nothing is known.
GOOD_DISKS = frozenset({"", "passed", "ok", "unknown", "smart disabled"})
WORN_PERCENT, DYING_PERCENT = 10, 3
CERTIFICATE_DAYS = 14
#: What a node of a PVE shows to its callers: the first of these that it has. Others matter only once they have expired.
SERVED_CERTIFICATES = ("pveproxy-ssl.pem", "pve-ssl.pem")
BAD_SUBSCRIPTIONS = frozenset({"expired", "invalid", "suspended"})

#: A node that has just been started is listed as unknown until its pvestatd has measured for the first time.
UNMEASURED_SECONDS = 30.0
NOT_REPORTING = (
    "is online in its cluster, and does not report how it and its guests are: its status daemon (pvestatd) hangs or does not "
    "run, often because of a storage that does not answer"
)
NOT_SEEN = (
    "has status unknown, and nothing reports how it and its guests are: its status daemon (pvestatd) hangs or does not run, "
    "often because of a storage that does not answer, or the node cannot be reached"
)


def unmeasured(
    node: NodeFigures, cluster: ClusterReading | None, *, since_epoch: float, at_epoch: float
) -> Iterator[Concern]:
    """Yield a node that nobody has measured for a while; why, the membership tells if it is known.

    One that a member without a majority cannot see is told with the majority.
    """
    is_quorate = cluster is None or cluster.is_quorate is not False
    if node.status == "unknown" and is_quorate and at_epoch - since_epoch >= UNMEASURED_SECONDS:
        members = cluster.members if cluster is not None else ()
        is_member = any(one.name == node.name and one.is_online for one in members)
        text = f"Node {node.name} {NOT_REPORTING if is_member else NOT_SEEN}"
        yield Concern("node_unmeasured", WARNING, node.name, text)


def node_concerns(name: str, facts: Facts, *, is_cluster: bool, at_epoch: float) -> Iterator[Concern]:
    """Yield what is wrong with a node of a PVE that is online."""
    known = facts.node(name)
    yield from node_services(name, facts, is_cluster=is_cluster)
    yield from repositories(known.repositories, known.repositories_epoch)
    yield from hardware(known)
    yield from certificates(known.certificates, known.certificates_epoch, at_epoch=at_epoch)
    yield from subscription(known.subscription, known.subscription_epoch)


def node_services(name: str, facts: Facts, *, is_cluster: bool) -> Iterator[Concern]:
    """Yield the services of a node that should run and do not."""
    known = facts.node(name)
    yield from stopped_services(
        known.services, known.services_epoch, is_cluster=is_cluster, has_ha=manages_services(facts.ha)
    )


def host_concerns(facts: Facts, *, at_epoch: float) -> Iterator[Concern]:
    """Yield what is wrong with the host of a PBS, which shows each of the certificates that it lists."""
    yield from hardware(facts.host)
    for one in facts.host.certificates:
        yield from certificate(one, facts.host.certificates_epoch, at_epoch=at_epoch, days=CERTIFICATE_DAYS)


def hardware(known: NodeFacts) -> Iterator[Concern]:
    """Yield what is wrong with the pools and disks of a host."""
    yield from zfs(known.zfs_pools, known.zfs_details, known.zfs_pools_epoch)
    yield from thin(known.thin_pools, known.thin_pools_epoch)
    yield from disks(known.disks, known.smart)


def thin(pools: Iterable[ThinPoolReading], read_epoch: float) -> Iterator[Concern]:
    """Yield the thin pools whose metadata or data are nearly full: either stops every guest in them."""
    for pool in pools:
        name = f"{pool.volume_group}/{pool.name}" if pool.volume_group else pool.name
        metadata = share(pool.metadata_used_bytes, pool.metadata_size_bytes)
        level = level_of(metadata, warning=0.90, critical=0.98)
        if level is not None:
            text = f"The metadata of thin pool {name} is {int(metadata * 100)} % full"
            yield Concern("thin_metadata_full", level, name, text, read_epoch)
        data = share(pool.used_bytes, pool.size_bytes)
        level = level_of(data, warning=0.95, critical=0.99)
        if level is not None:
            text = f"Thin pool {name} is {int(data * 100)} % full"
            yield Concern("thin_data_full", level, name, text, read_epoch)


def share(used: int | None, size: int | None) -> float:
    """Return used of size, 0 to 1; 0 while either is not known."""
    return used / size if used is not None and size else 0.0


def level_of(filled: float, *, warning: float, critical: float) -> Level | None:
    """Return the level of something that is filled to a share; None while there is room."""
    if filled >= critical:
        return CRITICAL
    return WARNING if filled >= warning else None


def disks(known: Iterable[DiskReading], smart: Mapping[str, SmartFacts]) -> Iterator[Concern]:
    """Yield the disks that say that they fail, and those that are worn out; SMART of a disk that was replaced is of before."""
    for disk in known:
        told = smart.get(disk.device)
        if told is not None and told.serial == disk.serial:
            shown = of_smart(told)
            read_epoch = shown["smart_read_epoch"]
            yield from failing_disk(disk.device, shown["health"] or "", read_epoch)
            yield from worn_disk(disk.device, shown["life_left_percent"], read_epoch)


def failing_disk(device: str, health: str, read_epoch: float) -> Iterator[Concern]:
    """Yield a disk that says of itself that it fails."""
    if health.lower() not in GOOD_DISKS:
        text = f"Disk {device} fails its own test: SMART says {health}"
        yield Concern("disk_failing", CRITICAL, device, text, read_epoch)


def worn_disk(device: str, left_percent: int | None, read_epoch: float) -> Iterator[Concern]:
    """Yield a flash disk that has been written to nearly as often as it may be."""
    if left_percent is not None and left_percent <= WORN_PERCENT:
        level = CRITICAL if left_percent <= DYING_PERCENT else WARNING
        text = f"Disk {device} is worn: {left_percent} % of its life left"
        yield Concern("disk_worn", level, device, text, read_epoch)


def certificates(
    known: Iterable[CertificateReading], read_epoch: float, *, at_epoch: float
) -> Iterator[Concern]:
    """Yield the served certificate of a PVE node when it expires soon, and every one that has expired."""
    by_name = {one.filename: one for one in known}
    served = next((name for name in SERVED_CERTIFICATES if name in by_name), "")
    for one in by_name.values():
        yield from certificate(
            one, read_epoch, at_epoch=at_epoch, days=CERTIFICATE_DAYS if one.filename == served else 0
        )


def certificate(
    one: CertificateReading, read_epoch: float, *, at_epoch: float, days: int
) -> Iterator[Concern]:
    """Yield a certificate that has expired, or will within so many days."""
    if one.expires_epoch is None:
        return
    if one.expires_epoch <= at_epoch:
        text = f"Certificate {one.filename} has expired"
        yield Concern("certificate_expired", CRITICAL, one.filename, text, read_epoch)
    elif one.expires_epoch < at_epoch + days * DAY_SECONDS:
        text = f"Certificate {one.filename} expires {days_left(one.expires_epoch, at_epoch)}"
        yield Concern("certificate_expires", WARNING, one.filename, text, read_epoch)


def subscription(known: SubscriptionReading | None, read_epoch: float) -> Iterator[Concern]:
    """Yield a subscription that is in force no longer; to have none is no concern."""
    if known is not None and known.status in BAD_SUBSCRIPTIONS:
        text = f"The subscription is {known.status}"
        yield Concern("subscription", WARNING, "subscription", text, read_epoch)
