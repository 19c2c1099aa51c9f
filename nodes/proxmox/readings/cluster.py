"""What runs above single nodes: votes, high availability, Ceph, replication."""

from __future__ import annotations

import msgspec


class VoteReading(msgspec.Struct, frozen=True, gc=False):
    """A row of GET /cluster/config/nodes: a node as corosync is configured."""

    node: str
    number: int | None = None  # nodeid
    votes: int | None = None


class QdeviceReading(msgspec.Struct, frozen=True):
    """GET /cluster/config/qdevice: what the QDevice daemon of the node that answers says, in its words."""

    model: str = ""
    host: str = ""  # of QNetd, with its port
    state: str = ""  # Connected, Connecting, Connect failed, Disconnected
    algorithm: str = ""  # Fifty-Fifty split, LMS, 2 Node LMS, Test
    tie_breaker: str = ""
    last_poll: str = ""  # local time of the node; "(cast vote)" behind it when it voted

    @property
    def is_connected(self) -> bool | None:
        """Whether it reaches its QNetd host; None when its state is not told."""
        return self.state == "Connected" if self.state else None

    @property
    def casts_vote(self) -> bool | None:
        """Whether it counts for the side of the node that answered; None when that is not told."""
        if self.is_connected is not True:
            return self.is_connected
        return self.last_poll.endswith("(cast vote)") if self.last_poll else None


class HaServiceReading(msgspec.Struct, frozen=True, gc=False):
    """A `service` row of GET /cluster/ha/status/current."""

    id: str  # vm:100, ct:101
    node: str = ""
    state: str = ""  # started, stopped, error, fence, recovery, migrate, ...
    requested_state: str = ""


class HaNodeReading(msgspec.Struct, frozen=True, gc=False):
    """An `lrm` row: the local resource manager of a node."""

    node: str
    status: str = ""
    seen_at: int | None = None  # epoch seconds; older than 30 s is dead


class HaReading(msgspec.Struct, frozen=True):
    """GET /cluster/ha/status/current."""

    is_quorate: bool | None = None
    master_node: str = ""
    master_status: str = ""
    master_seen_at: int | None = None
    nodes: tuple[HaNodeReading, ...] = ()
    services: tuple[HaServiceReading, ...] = ()
    fencing: str = ""  # armed-state, from PVE 9.2


class CephCheckReading(msgspec.Struct, frozen=True, gc=False):
    """One entry of `health.checks`, or a line of the old `health.summary`."""

    name: str
    severity: str = ""
    message: str = ""
    is_muted: bool = False


class CephReading(msgspec.Struct, frozen=True):
    """GET /cluster/ceph/status, of old releases and new ones."""

    health: str  # HEALTH_OK, HEALTH_WARN, HEALTH_ERR
    checks: tuple[CephCheckReading, ...] = ()
    osd_count: int | None = None
    osd_up_count: int | None = None
    osd_in_count: int | None = None
    used_bytes: int | None = None
    total_bytes: int | None = None
    placement_group_count: int | None = None
    placement_groups: tuple[tuple[str, int], ...] = ()  # (state, count)
    monitor_count: int | None = None
    quorum: tuple[str, ...] = ()
    manager_is_available: bool | None = None
    read_bytes_per_second: int | None = None  # not told while idle
    write_bytes_per_second: int | None = None
    read_operations_per_second: int | None = None
    write_operations_per_second: int | None = None


class CephOsdReading(msgspec.Struct, frozen=True, gc=False):
    """A leaf of GET /nodes/{node}/ceph/osd."""

    id: int
    name: str = ""
    host: str = ""
    status: str = ""  # up, down
    is_in: bool | None = None
    used_percent: float | None = None
    total_bytes: int | None = None
    device_class: str = ""
    used_bytes: int | None = None


class CephPoolReading(msgspec.Struct, frozen=True, gc=False):
    """A row of GET /nodes/{node}/ceph/pool."""

    name: str
    used_bytes: int | None = None
    used_ratio: float | None = None
    size: int | None = None  # copies
    min_size: int | None = None
    placement_group_count: int | None = None


class ReplicationReading(msgspec.Struct, frozen=True):
    """A row of GET /nodes/{node}/replication, one job as its source node sees it, or of GET /cluster/replication, the job as
    it is configured, of which nothing has run. Instants are epoch seconds.
    """

    id: str  # 100-0
    vmid: int | None = None
    source: str = ""
    target: str = ""
    schedule: str = ""
    last_sync_at: int | None = None  # None: never
    last_try_at: int | None = None
    next_sync_at: int | None = None
    duration_seconds: float | None = None
    failure_count: int = 0
    error: str = ""
    is_running: bool = False
    is_disabled: bool = False
