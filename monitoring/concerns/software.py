"""What is wrong with what runs on a node: services that should and do not, and with where its packages come from; pure."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping

from monitoring.concerns.shapes import CRITICAL, WARNING, Concern, Level, cut, listed
from nodes.proxmox.readings.software import RepositoriesReading, ServiceReading

#: What is missing while one of them does not run. Of the others only what systemd itself calls failed is wrong.
NEEDED: Mapping[str, tuple[Level, str]] = {
    "pvestatd": (WARNING, "the figures of the node, its guests and its storages are not renewed"),
    "pvedaemon": (WARNING, "the node cannot do what it is asked for"),
    "pveproxy": (WARNING, "the node does not answer its web interface and API"),
    "pvescheduler": (WARNING, "no backup or replication job starts on the node"),
    "pve-firewall": (WARNING, "changes of the firewall do not take effect on the node"),
    "pve-cluster": (CRITICAL, "the node cannot read or change its configuration (/etc/pve)"),
    "corosync": (CRITICAL, "the node takes no part in its cluster"),
    "pve-ha-lrm": (WARNING, "high availability cannot act on the node"),
    "pve-ha-crm": (WARNING, "the node cannot take over high availability"),
}
#: Enabled everywhere; it does not start on a host outside any cluster.
OF_CLUSTER = frozenset({"corosync"})
#: Where nothing is managed they may well be stopped.
OF_HA = frozenset({"pve-ha-lrm", "pve-ha-crm"})
#: Files of repositories that are told one by one.
MOST_FILES = 10


def stopped_services(
    known: Iterable[ServiceReading], read_epoch: float, *, is_cluster: bool, has_ha: bool
) -> Iterator[Concern]:
    """Yield the services that do not run although somebody wants them; `has_ha`: high availability manages something."""
    idle: Collection[str] = (OF_CLUSTER if not is_cluster else frozenset()) | (
        OF_HA if not has_ha else frozenset()
    )
    for one in known:
        level, missing = NEEDED.get(one.name, (WARNING, ""))
        if one.has_failed:
            text = f"Service {one.name} has failed{f': {missing}' if missing else ''}"
        elif one.is_down and missing and one.name not in idle:
            text = f"Service {one.name} does not run: {missing}"
        else:
            continue
        yield Concern("service_down", level, one.name, text, read_epoch)


def repositories(known: RepositoriesReading | None, read_epoch: float) -> Iterator[Concern]:
    """Yield the files of package repositories that Proxmox finds something wrong with."""
    problems: dict[str, list[str]] = {}
    for one in known.problems if known is not None else ():
        problems.setdefault(one.path, []).append(one.message)
    for path, messages in list(problems.items())[:MOST_FILES]:
        text = f"Package repositories in {path}: {cut(listed(messages))}"
        yield Concern("repository", WARNING, path, text.rstrip(".!"), read_epoch)
