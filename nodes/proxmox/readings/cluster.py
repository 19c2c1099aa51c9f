"""What runs above single nodes: votes, high availability, Ceph, replication."""

from __future__ import annotations

from typing import Annotated

import msgspec

from nodes.proxmox.values import (
    Amount,
    Epoch,
    IsTrue,
    Name,
    Ratio,
    Size,
    Text,
    Truth,
    Word,
    said_of,
    size,
    text_of,
)


class VoteReading(msgspec.Struct, frozen=True, gc=False):
    """A row of GET /cluster/config/nodes: a node as corosync is configured."""

    node: str
    number: Annotated[Size, "nodeid"] = None
    votes: Annotated[Size, "quorum_votes"] = None


class QdeviceReading(msgspec.Struct, frozen=True):
    """GET /cluster/config/qdevice: what the QDevice daemon of the node that answers says, in its words."""

    model: Annotated[Word, "Model"] = ""
    host: Annotated[Text, "QNetd host"] = ""  # of QNetd, with its port
    state: Annotated[Word, "State"] = ""  # Connected, Connecting, Connect failed, Disconnected
    algorithm: Annotated[Word, "Algorithm"] = ""  # Fifty-Fifty split, LMS, 2 Node LMS, Test
    tie_breaker: Annotated[Text, "Tie-breaker"] = ""
    #: Local time of the node; "(cast vote)" behind it when it voted.
    last_poll: Annotated[Text, "Last poll call"] = ""

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
    node: Annotated[Name, "node"] = ""
    state: Annotated[Word, "state"] = ""  # started, stopped, error, fence, recovery, migrate, ...
    requested_state: Annotated[Word, "request_state"] = ""


class HaNodeReading(msgspec.Struct, frozen=True, gc=False):
    """An `lrm` row: the local resource manager of a node."""

    node: Annotated[Name, "node"]
    status: Annotated[str, text_of(200), "status"] = ""
    seen_epoch: Annotated[Epoch, "timestamp"] = None  # epoch seconds; older than 30 s is dead


class HaReading(msgspec.Struct, frozen=True):
    """GET /cluster/ha/status/current."""

    is_quorate: bool | None = None
    master_node: str = ""
    master_status: str = ""
    master_seen_epoch: int | None = None
    nodes: tuple[HaNodeReading, ...] = ()
    services: tuple[HaServiceReading, ...] = ()
    fencing: str = ""  # armed-state, from PVE 9.2


class CephCheckReading(msgspec.Struct, frozen=True, gc=False):
    """One entry of `health.checks`, or a line of the old `health.summary`."""

    name: str
    severity: str = ""
    message: str = ""
    is_muted: bool = False
    details: tuple[str, ...] = ()  # what exactly, a line each: "osd.3 is near full"; the first of them
    detail_count: int = 0  # of all of them


class CephReading(msgspec.Struct, frozen=True):
    """GET /cluster/ceph/status, of old releases and new ones."""

    health: str  # HEALTH_OK, HEALTH_WARN, HEALTH_ERR
    checks: tuple[CephCheckReading, ...] = ()
    osd_count: int | None = None
    osd_up_count: int | None = None
    osd_in_count: int | None = None
    used_bytes: Annotated[Size, "pgmap", "bytes_used"] = None
    total_bytes: Annotated[Size, "pgmap", "bytes_total"] = None
    placement_group_count: Annotated[Size, "pgmap", "num_pgs"] = None
    placement_groups: tuple[tuple[str, int], ...] = ()  # (state, count)
    monitor_count: int | None = None
    quorum: tuple[str, ...] = ()
    manager_is_available: Annotated[Truth, "mgrmap", "available"] = None
    read_bytes_per_second: Annotated[Size, "pgmap", "read_bytes_sec"] = None  # not told while idle
    write_bytes_per_second: Annotated[Size, "pgmap", "write_bytes_sec"] = None
    read_operations_per_second: Annotated[Size, "pgmap", "read_op_per_sec"] = None
    write_operations_per_second: Annotated[Size, "pgmap", "write_op_per_sec"] = None


class CephFlagReading(msgspec.Struct, frozen=True, gc=False):
    """A row of GET /cluster/ceph/flags: what somebody has switched off, or may."""

    name: Annotated[Name, "name"]
    is_set: Annotated[IsTrue, "value"] = False


class CephOsdReading(msgspec.Struct, frozen=True, gc=False):
    """A leaf of GET /nodes/{node}/ceph/osd."""

    id: Annotated[int, size, "id"]
    name: str = ""
    host: Annotated[Name, "host"] = ""
    status: Annotated[Word, "status"] = ""  # up, down
    is_in: Annotated[Truth, "in"] = None
    used_percent: Annotated[Ratio, "percent_used"] = None
    total_bytes: Annotated[Size, "total_space"] = None
    device_class: Annotated[Word, "device_class"] = ""
    used_bytes: Annotated[Size, "bytes_used"] = None


class CephPoolReading(msgspec.Struct, frozen=True, gc=False):
    """A row of GET /nodes/{node}/ceph/pool."""

    name: Annotated[Name, "pool_name"]
    used_bytes: Annotated[Size, "bytes_used"] = None
    used_ratio: Annotated[Ratio, "percent_used"] = None
    size: Annotated[Size, "size"] = None  # copies
    min_size: Annotated[Size, "min_size"] = None
    placement_group_count: Annotated[Size, "pg_num"] = None


class ReplicationReading(msgspec.Struct, frozen=True):
    """A row of GET /nodes/{node}/replication, one job as its source node sees it, or of GET /cluster/replication, the job as
    it is configured, of which nothing has run. Instants are epoch seconds.
    """

    id: Annotated[Name, "id"]  # 100-0
    vmid: int | None = None
    source: Annotated[Name, "source"] = ""
    target: Annotated[Name, "target"] = ""
    schedule: Annotated[Text, "schedule"] = ""
    last_sync_epoch: Annotated[Epoch, "last_sync"] = None  # None: never
    last_try_epoch: Annotated[Epoch, "last_try"] = None
    next_sync_epoch: Annotated[Epoch, "next_sync"] = None
    duration_seconds: Annotated[Amount, "duration"] = None
    failure_count: int = 0
    error: Annotated[str, said_of(500), "error"] = ""
    is_running: bool = False
    is_disabled: Annotated[IsTrue, "disable"] = False
