"""The choices of monitoring's rows."""

from __future__ import annotations

from django.db import models


class Tier(models.IntegerChoices):
    """How fine samples are kept; the first as they were taken, the others as buckets with minimum, maximum, mean and count."""

    TEN_SECONDS = 0, "10 s"
    MINUTE = 1, "1 min"
    FIVE_MINUTES = 2, "5 min"
    HOUR = 3, "1 h"
    SIX_HOURS = 4, "6 h"


class SpanSource(models.IntegerChoices):
    """Who has taken the samples."""

    OWN = 0, "Pulse"
    PROXMOX = 1, "Proxmox"


class PartKind(models.TextChoices):
    """What has series and no row of the inventory; spelled as `nodes.identity.ObjectKind`."""

    POOL = "pool"
    FILESYSTEM = "filesystem", "file system"
    MAIL_NODE = "mail_node"


class BlindCause(models.TextChoices):
    """Why nothing was seen."""

    STOPPED = "stopped", "Pulse did not run"
    UNREACHABLE = "unreachable", "the host did not answer"
    PAUSED = "paused", "the instance was paused"


class EventKind(models.TextChoices):
    """What kind of thing happened."""

    BACKUP = "backup"
    MIGRATION = "migration"
    RESTORE = "restore"
    SNAPSHOT = "snapshot"
    POWER = "power"
    CONFIGURATION = "configuration"
    TASK = "task", "other task"


class BackfillReason(models.TextChoices):
    """Why Proxmox's own records are read."""

    ADDED = "added", "the instance is new"
    GAP = "gap", "nothing was seen for a while"
    ASKED = "asked", "somebody asked for it"


class BackfillState(models.TextChoices):
    """How far it has come."""

    WAITING = "waiting"
    RUNNING = "running"
    DONE = "done"
    CANCELLED = "cancelled"
    FAILED = "failed"


class RemoteLogin(models.TextChoices):
    """As whom samples are written to another engine."""

    NONE = "none"
    BASIC = "basic", "user and password"
    BEARER = "bearer", "bearer token"
