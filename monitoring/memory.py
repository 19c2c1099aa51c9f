"""What the poller of one instance remembers from one poll to the next; can be stored, so that any worker goes on."""

from __future__ import annotations

import msgspec

from monitoring.rates import Sample
from monitoring.resources import Views
from nodes.proxmox.readings import ClusterReading, DatastoreReading, NodeStatusReading

#: What moves whenever Proxmox renews the figures of a node: CPU, memory, uptime.
Mark = tuple[float | None, int | None, int | None]


class PollMemory(msgspec.Struct):
    """Instants are epoch seconds of our own clock."""

    instance_version: int = 0
    fragment_version: int = 0
    cycles: int = 0
    calls: int = 0
    failed_calls: int = 0
    # outcome of the last polls
    first_polled_at: float = 0.0
    succeeded_at: float | None = None
    failures: int = 0  # in a row
    login_failures: int = 0  # in a row; starts again after the placeholder has been shown
    login_is_refused: bool = False  # five login failures in a row, until one poll succeeds
    failure_code: str = ""
    recorded_at: float = 0.0  # when last_success_at was last written
    # what was published
    views: Views = Views()
    # PVE
    cluster: ClusterReading | None = None
    cluster_at: float = 0.0
    details: dict[str, NodeStatusReading] = {}
    details_at: dict[str, float] = {}
    marks: dict[str, Mark] = {}
    samples: dict[int, Sample] = {}
    empty_guest_lists: int = 0  # in a row
    empty_storage_lists: int = 0
    offline_since: dict[str, float] = {}  # by node
    storage_ids: dict[str, str] = {}  # "<name>/<node, empty when shared>" -> wire id
    # PBS
    pbs_version: str = ""
    version_at: float = 0.0
    datastores: tuple[DatastoreReading, ...] = ()
    datastores_at: float = 0.0
    # calls that are not made again before an instant, because the account may not make them
    denied_until: dict[str, float] = {}

    def is_denied(self, path: str, at: float) -> bool:
        """Return whether the call was refused not long ago."""
        return self.denied_until.get(path, 0.0) > at
