"""The lanes: what is asked of an instance, and how far each of them has come with each of its subjects."""

from __future__ import annotations

from enum import StrEnum
from typing import Self

import msgspec

#: What a lane is asked about: a node, a guest by its vmid, a kind of jobs, ... or several words; "" for the whole instance.
Subject = str | int | tuple[str, ...]


class Lane(StrEnum):
    """One kind of question. Several may be told and counted together, under the name of their `group`."""

    group: str

    def __new__(cls, value: str, group: str = "") -> Self:
        """Return the lane of this name, which stands for itself unless it is one of a group."""
        lane = str.__new__(cls, value)
        lane._value_ = value
        lane.group = group or value
        return lane

    # live
    LIVE = "live"
    NODE_STATUS = "node status"
    MEMBERSHIP = "membership", "live"
    IDENTITY = "identity", "live"
    SERVER_STATUS = "server status", "live"
    SERVER_VERSION = "server version", "live"
    DATASTORE_USE = "use of datastores", "live"
    MAIL_NODES = "mail nodes", "live"
    MAIL_STATISTICS = "mail statistics", "live"
    MAIL_QUEUES = "mail queues", "live"
    # of any host
    PERMISSIONS = "permissions"
    CREDENTIAL = "credential"
    TIME = "time"
    CERTIFICATES = "certificates"
    SUBSCRIPTION = "subscription"
    UPDATES = "updates"
    DISKS = "disks"
    ZFS_POOLS = "zfs pools", "disks"
    ZFS_POOL = "zfs pool", "disks"
    THIN_POOLS = "thin pools", "disks"
    SMART_LIST = "smart list", "smart"
    SMART = "smart"
    # of a PVE
    TASKS = "tasks"
    STORAGE_DEFINITIONS = "storage configuration"
    HA = "high availability"
    CEPH = "ceph"
    CEPH_POOLS = "ceph pools", "ceph"
    CEPH_FLAGS = "ceph flags", "ceph"
    REPLICATION_JOBS = "replication jobs", "replication"
    REPLICATION = "replication"
    VOTES = "votes", "quorum"
    QDEVICE = "qdevice", "quorum"
    VERSIONS = "versions"
    SERVICES = "services"
    REPOSITORIES = "package repositories", "updates"
    NODE_STORAGES = "storage"
    NODE_HISTORY = "node history"
    GUEST_DETAILS = "guest details"
    GUEST_CONFIGURATION = "guest configuration"
    GUEST_SNAPSHOTS = "guest snapshots"
    AGENT_FILESYSTEMS = "agent file systems", "guest agent"
    AGENT_ADDRESSES = "agent addresses", "guest agent"
    AGENT_SYSTEM = "agent system", "guest agent"
    CONTAINER_ADDRESSES = "guest addresses"
    BACKUP_JOBS = "backup jobs"
    UNCOVERED_GUESTS = "uncovered guests", "backup jobs"
    JOB_VOLUMES = "job volumes", "backup jobs"
    BACKUP_TASKS = "backup tasks"
    BACKUP_LOGS = "backup logs"
    BACKUP_VOLUMES = "backups"
    # of a PBS
    SERVER_TASKS = "server tasks", "tasks"
    SERVER_JOBS = "jobs"
    DATASTORES = "datastores"
    NAMESPACES = "namespaces"
    GROUPS = "groups"
    SNAPSHOTS = "snapshots"
    GROUP_SNAPSHOTS = "group snapshots", "snapshots"


#: A lane and one of its subjects.
Key = tuple[Lane, Subject]


class Progress(msgspec.Struct, frozen=True, gc=False):
    """How far one lane has come with one of its subjects."""

    tried_epoch: float = 0.0
    done_epoch: float = 0.0  # 0: never
    next_epoch: float = 0.0
    failures: int = 0  # in a row
    code: str = ""  # of the last failure, empty after a success
    message: str = ""


NEVER = Progress()
#: Replaced and never edited, down to each lane.
ProgressByLane = dict[Lane, dict[Subject, Progress]]


class Progressing(msgspec.Struct):
    """What has lanes that come further."""

    progress: ProgressByLane = {}

    def progress_of(self, lane: Lane, subject: Subject = "") -> Progress:
        """Return how far a lane has come with a subject."""
        return self.progress.get(lane, {}).get(subject, NEVER)

    def note(self, lane: Lane, subject: Subject, progress: Progress) -> None:
        """Keep how far a lane has come with a subject."""
        self.progress = {**self.progress, lane: {**self.progress.get(lane, {}), subject: progress}}


def name_of(lane: Lane, subject: Subject) -> str:
    """Return what a lane with one of its subjects is called: in the log, and wherever one is told from another."""
    words = subject if isinstance(subject, tuple) else (str(subject),)
    return " ".join((lane, *words)).rstrip()
