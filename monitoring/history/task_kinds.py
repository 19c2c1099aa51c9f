"""Which tasks of Proxmox are kept as events, and what covers what; pure.

Source: api-facts.md 8 and 11.2, the kinds of tasks of PVE and PBS.
"""

from __future__ import annotations

from collections.abc import Mapping

from monitoring.choices import EventKind

#: Somebody looks at a console, or reads backups: nothing happens to anything.
UNTOLD = frozenset({"vncproxy", "vncshell", "spiceproxy", "spiceshell", "termproxy", "reader"})

BACKUPS = frozenset({"vzdump", "backup"})
MIGRATIONS = frozenset({"qmigrate", "vzmigrate", "hamigrate", "migrateall"})
RESTORES = frozenset({"qmrestore", "vzrestore"})
SNAPSHOTS = frozenset(
    {"qmsnapshot", "qmdelsnapshot", "qmrollback", "vzsnapshot", "vzdelsnapshot", "vzrollback"}
)
STARTS = frozenset({"qmstart", "vzstart", "qmreboot", "vzreboot", "qmresume", "vzresume"})
STOPS = frozenset({"qmstop", "vzstop", "qmshutdown", "vzshutdown", "qmreboot", "vzreboot"})
SUSPENDS = frozenset({"qmsuspend", "vzsuspend", "qmpause"})
REQUESTS = frozenset({"hastart", "hastop", "hashutdown"})
POWER = STARTS | STOPS | SUSPENDS | REQUESTS | {"qmreset", "startall", "stopall", "suspendall"}
CREATIONS = frozenset({"qmcreate", "vzcreate"})
REMOVALS = frozenset({"qmdestroy", "vzdestroy"})
CONFIGURATION = CREATIONS | REMOVALS | {
    "qmclone", "vzclone", "qmconfig", "qmtemplate", "vztemplate", "resize", "qmmove", "move_volume", "create-datastore",
    "delete-datastore",
}  # fmt: skip

KINDS: Mapping[str, EventKind] = {
    code: kind
    for kind, codes in {
        EventKind.BACKUP: BACKUPS,
        EventKind.MIGRATION: MIGRATIONS,
        EventKind.RESTORE: RESTORES,
        EventKind.SNAPSHOT: SNAPSHOTS,
        EventKind.POWER: POWER,
        EventKind.CONFIGURATION: CONFIGURATION,
    }.items()
    for code in codes
}
#: What a change that was seen is an event of.
CHANGES: Mapping[str, EventKind] = dict.fromkeys(
    ("created", "removed", "name", "tags", "cpus", "memory", "size", "version", "kernel"),
    EventKind.CONFIGURATION,
) | {
    "moved": EventKind.MIGRATION,
    "started": EventKind.POWER,
    "stopped": EventKind.POWER,
    "paused": EventKind.POWER,
    "resumed": EventKind.POWER,
    "rebooted": EventKind.POWER,
}

_RUNS = frozenset({"qmigrate", "vzmigrate"})
#: What was seen of a guest, or asked of high availability, and the tasks that tell of the same, better.
COVERED_BY: Mapping[str, frozenset[str]] = {
    "moved": _RUNS | {"hamigrate"},
    "started": STARTS | RESTORES | _RUNS | CREATIONS | {"qmrollback", "vzrollback", "hastart"},
    "stopped": STOPS | REMOVALS | _RUNS | {"qmrollback", "vzrollback", "hastop", "hashutdown", "vzdump"},
    "paused": SUSPENDS | _RUNS,
    "resumed": STARTS | _RUNS,
    "created": CREATIONS | RESTORES,
    "removed": REMOVALS,
    "hamigrate": _RUNS,
    "hastart": STARTS,
    "hastop": STOPS,
    "hashutdown": STOPS,
}
COVERING = frozenset().union(*COVERED_BY.values())


def kind_of(code: str) -> EventKind:
    """Return what kind of event a task or a change is."""
    return KINDS.get(code) or CHANGES.get(code) or EventKind.TASK
