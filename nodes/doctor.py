"""The permission doctor: what an account may not see, what is missing without it, and the line that repairs it; pure.

Proxmox leaves out what an account may not see and answers 200, so a missing privilege looks like an empty house. The table
says for each feature what it needs; the examination compares it with GET /access/permissions.

An entry of the access tree replaces what comes from above it: a line for a path below "/" names all that is needed there.
Source: api-facts.md 1.2, 4.1, 4.2 and 11.1; the `permissions` of the published API schemas.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterable, Mapping, Sequence
from typing import Literal

import msgspec

from nodes.proxmox.readings import PermissionsReading

State = Literal["ok", "partial", "missing"]
Version = tuple[int, ...]
#: What together opens one thing: (path, privilege). Paths may hold {node}, {storage}, {backup_storage}, {datastore}.
Way = tuple[tuple[str, str], ...]


class Role(msgspec.Struct, frozen=True):
    """What the repair grants: a role, at a path; `privileges` are set for a role that has to be made first."""

    name: str
    path: str = "/"
    privileges: tuple[str, ...] = ()


class Feature(msgspec.Struct, frozen=True):
    """Something the pages show, and what the account needs for it on these versions."""

    key: str
    kind: str  # pve, pbs
    title: str
    ways: tuple[Way, ...]  # any of them is enough; the first is the one that is asked for
    why: str
    without: str  # what the pages lack
    role: Role | None
    note: str = ""
    is_optional: bool = False
    since: Version = ()
    until: Version = ()  # the first version it is not for


AUDITOR = Role("PVEAuditor")
AUDIT = Role("Audit")
DELETES = (
    "Proxmox has no privilege that only lists backups: this one also allows to delete them. "
    "It is not needed for backups on a PBS that is watched itself."
)
DATASTORE_AUDIT = ("/storage/{backup_storage}", "Datastore.Audit")
ALLOCATE = ("/storage/{backup_storage}", "Datastore.Allocate")
ALLOCATE_SPACE = ("/storage/{backup_storage}", "Datastore.AllocateSpace")

FEATURES: tuple[Feature, ...] = (
    Feature(
        "guests", "pve", "Virtual machines and containers", ((("/vms", "VM.Audit"),),),
        "Proxmox lists only guests with VM.Audit.", "Guests do not appear at all.", AUDITOR,
    ),
    Feature(
        "nodes", "pve", "Figures of the nodes", ((("/nodes/{node}", "Sys.Audit"),),),
        "CPU, memory, disk and uptime of a node need Sys.Audit on it.",
        "Nodes are listed without any figure.", AUDITOR,
    ),
    Feature(
        "storages", "pve", "Storages", ((("/storage/{storage}", "Datastore.Audit"),),),
        "Proxmox lists only storages with Datastore.Audit.", "Storages do not appear.", AUDITOR,
    ),
    Feature(
        "cluster", "pve", "Cluster and quorum", ((("/", "Sys.Audit"),),),
        "The members and the quorum are told with Sys.Audit on /.",
        "Members, quorum and failing over to another member.", AUDITOR,
    ),
    Feature(
        "tasks", "pve", "Tasks of all accounts", ((("/", "Sys.Audit"),),),
        "Without Sys.Audit on / an account sees only its own tasks.",
        "Backups, migrations and other tasks, and their failures.", AUDITOR,
    ),
    Feature(
        "backup_jobs", "pve", "Backup jobs", ((("/", "Sys.Audit"),),),
        "Jobs, and guests in no job, are told with Sys.Audit on /.",
        "Which guests are in a job, missed runs, disks that no job takes.", AUDITOR,
    ),
    Feature(
        "backups", "pve", "Backups in storages",
        ((DATASTORE_AUDIT, ALLOCATE), (ALLOCATE_SPACE, ALLOCATE), (ALLOCATE_SPACE, ("/vms", "VM.Backup"))),
        "PVEAuditor gets an empty list: each backup needs Datastore.Allocate on its storage.",
        "Backups in these storages, and whether a guest has one.",
        Role("PulseBackups", "/storage/{backup_storage}", ("Datastore.Audit", "Datastore.Allocate")),
        DELETES,
    ),
    Feature(
        "agent", "pve", "Guest agent", ((("/vms", "VM.Monitor"),),),
        "Up to PVE 8 the guest agent is asked with VM.Monitor.",
        "How full the disks of virtual machines are, and their addresses.",
        Role("PulseGuestAgent", "/", ("VM.Monitor",)),
        "VM.Monitor also allows commands that change a guest. From PVE 9 on PVEAuditor is enough.",
        until=(9,),
    ),
    Feature(
        "agent", "pve", "Guest agent",
        ((("/vms", "VM.GuestAgent.Audit"),), (("/vms", "VM.GuestAgent.Unrestricted"),)),
        "From PVE 9 on the guest agent is asked with VM.GuestAgent.Audit; VM.Monitor is gone.",
        "How full the disks of virtual machines are, and their addresses.", AUDITOR, since=(9,),
    ),
    Feature(
        "high_availability", "pve", "High availability", ((("/", "Sys.Audit"),),),
        "Its state is told with Sys.Audit on /.", "Services in error, fencing, dead managers.", AUDITOR,
    ),
    Feature(
        "ceph", "pve", "Ceph", ((("/", "Sys.Audit"),), (("/", "Datastore.Audit"),)),
        "Its state is told with Sys.Audit or Datastore.Audit on /.", "Health, OSDs and pools of Ceph.", AUDITOR,
    ),
    Feature(
        "disks", "pve", "Disks and pools", ((("/", "Sys.Audit"),), (("/", "Datastore.Audit"),)),
        "Disks, ZFS and thin pools are told with Sys.Audit or Datastore.Audit on /.",
        "Health and wear of disks, degraded pools, full metadata.", AUDITOR, until=(8,),
    ),
    Feature(
        "disks", "pve", "Disks and pools", ((("/", "Sys.Audit"),),),
        "Disks, ZFS and thin pools are told with Sys.Audit on /.",
        "Health and wear of disks, degraded pools, full metadata.", AUDITOR, since=(8,),
    ),
    Feature(
        "history", "pve", "Fine history", ((("/", "Sys.Audit"),),),
        "The last half hour in steps of 10 s is told with Sys.Audit on /.",
        "Charts have gaps where Pulse was not running.", AUDITOR, is_optional=True, since=(8, 2, 5),
    ),
    Feature(
        "pools", "pve", "Resource pools", ((("/pool", "Pool.Audit"),),),
        "Pools are told with Pool.Audit.", "Pools, and backup jobs by pool.", AUDITOR, is_optional=True,
    ),
    Feature(
        "updates", "pve", "Pending updates", ((("/nodes/{node}", "Sys.Modify"),),),
        "Proxmox tells pending updates only to accounts that may change the node.",
        "The number of pending updates.",
        Role("PulseUpdates", "/nodes", ("Sys.Audit", "Sys.Modify")),
        "Sys.Modify allows far more than to look: leave it out unless the list is worth that.",
        is_optional=True,
    ),
    Feature(
        "host", "pbs", "Figures of the server", ((("/system/status", "Sys.Audit"),),),
        "CPU, memory and uptime are told with Sys.Audit on /system/status.",
        "The server is shown without figures.", AUDIT,
    ),
    Feature(
        "datastores", "pbs", "Datastores and backups", ((("/datastore/{datastore}", "Datastore.Audit"),),),
        "Datastores and what is in them need Datastore.Audit.",
        "Datastores, backups, verify, prune and garbage collection.", AUDIT,
    ),
    Feature(
        "tasks", "pbs", "Tasks of all accounts", ((("/system/tasks", "Sys.Audit"),),),
        "Without Sys.Audit on /system/tasks an account sees only its own tasks.",
        "Backups under way and failed tasks.", AUDIT,
    ),
    Feature(
        "sync_jobs", "pbs", "Sync jobs", ((("/remote", "Remote.Audit"),),),
        "The role Audit does not include Remote.Audit, and sync jobs without it are left out.",
        "Sync jobs and their failures.", Role("RemoteAudit", "/remote"),
    ),
    Feature(
        "disks", "pbs", "Disks and pools", ((("/system/disks", "Sys.Audit"),),),
        "Disks and ZFS pools are told with Sys.Audit on /system/disks.",
        "Health and wear of disks, degraded pools.", AUDIT,
    ),
    Feature(
        "updates", "pbs", "Pending updates", ((("/", "Sys.Audit"),),),
        "Pending updates are told with Sys.Audit on /.", "The number of pending updates.", AUDIT,
        is_optional=True,
    ),
    Feature(
        "certificates", "pbs", "Certificates", ((("/system/certificates", "Sys.Modify"),),),
        "PBS tells its certificates only to accounts that may change them.",
        "The date on which a certificate expires, other than the one that is served.", None,
        "Only the role Admin has it: not worth it.", is_optional=True,
    ),
)  # fmt: skip


class PathFinding(msgspec.Struct, frozen=True):
    """What a feature needs at one path, what of it the account holds and what it lacks."""

    path: str
    needed: tuple[str, ...]
    held: tuple[str, ...]
    missing: tuple[str, ...]


class Finding(msgspec.Struct, frozen=True):
    """The state of one feature.

    `partial`: the account sees some guests, nodes or storages and not others, which may well be wanted. `repair` are the
    lines to run on the host as root, ready to be pasted; empty when there is nothing to repair, or no safe line.
    `user_repair` are those for the user of a token, which must have the same: to be run only where it has not.
    """

    feature: str
    title: str
    state: State
    is_optional: bool
    paths: tuple[PathFinding, ...]
    why: str
    without: str
    note: str = ""
    repair: tuple[str, ...] = ()
    user_repair: tuple[str, ...] = ()


#: user@realm or user@realm!token, as Proxmox takes them: no blank, colon or slash in the name.
ACCOUNT = re.compile(r"([^\s:/]{1,64}@[A-Za-z][A-Za-z0-9._-]{0,31})(?:!([A-Za-z][A-Za-z0-9._-]{0,127}))?")
PATH = re.compile(r"/(?:[A-Za-z0-9_][A-Za-z0-9._-]*(?:/[A-Za-z0-9_][A-Za-z0-9._-]*)*)?")
BOTH_NEEDED = "A token has only what its user has as well: both need it."
PVE_BOTH_NEEDED = f"With privilege separation {BOTH_NEEDED[0].lower()}{BOTH_NEEDED[1:]}"
CAUTION = (
    "Leave out the line of a user that has these rights already: an entry of its own replaces what it has from a group "
    "or from further up."
)
BAD_ACCOUNT = "The name of the account is not one that Proxmox takes, so no line is shown."
ROOT = "root@pam"


def examine(
    permissions: PermissionsReading,
    *,
    kind: str,
    version: str,
    account: str,
    nodes: Sequence[str] = (),
    storages: Sequence[str] = (),
    backup_storages: Sequence[str] = (),
    datastores: Sequence[str] = (),
    has_privilege_separation: bool | None = None,
) -> tuple[Finding, ...]:
    """Return the state of every feature of this product and version, in the order of the table.

    `backup_storages` are those of a PVE that keep backups and are not read from a PBS; without any, that feature is not
    judged. `has_privilege_separation` is None where it is not known. An unknown `version` is taken for the newest, unless
    the account holds a privilege that only older ones have.
    """
    number = version_of(version, permissions)
    names = {
        "node": nodes,
        "storage": storages,
        "backup_storage": backup_storages,
        "datastore": datastores,
    }
    return tuple(
        _examined(feature, permissions, names, account, has_privilege_separation)
        for feature in FEATURES
        if feature.kind == kind and _is_for(feature, number) and (feature.key != "backups" or backup_storages)
    )


def version_of(text: str, permissions: PermissionsReading) -> Version:
    """Return the numbers of a version such as 8.4.1 or 7.4-16; () for the newest."""
    match = re.match(r"([0-9]{1,4})(?:[.-]([0-9]{1,4}))?(?:[.-]([0-9]{1,4}))?", text.strip(), re.ASCII)
    if match:
        return tuple(int(number) for number in match.groups() if number)
    is_old = any("VM.Monitor" in privileges for privileges in permissions.held.values())
    return (8,) if is_old else ()


def _is_for(feature: Feature, version: Version) -> bool:
    if not version:
        return not feature.until
    return version >= feature.since and (not feature.until or version < feature.until)


def _examined(
    feature: Feature,
    permissions: PermissionsReading,
    names: Mapping[str, Sequence[str]],
    account: str,
    has_privilege_separation: bool | None,
) -> Finding:
    places = _places(feature, names)
    found = [(_best(feature, permissions, name), name) for name in places]
    lacking = [(paths, name) for paths, name in found if any(one.missing for one in paths)]
    state: State = "ok" if not lacking else "partial" if len(lacking) < len(found) else "missing"
    if state == "missing" and any(_is_held_below(permissions, way) for way in feature.ways):
        state = "partial"
    repair: tuple[str, ...] = ()
    user_repair: tuple[str, ...] = ()
    notes = [feature.note] if lacking and feature.note else []
    if lacking and feature.role is not None:
        if is_account(account):
            targets = dict.fromkeys(
                _target(feature.role, paths, permissions, name) for paths, name in lacking
            )
            repair, user_repair = _lines(
                feature.kind,
                feature.role,
                [path for path in targets if path],
                account,
                has_privilege_separation,
            )
            if user_repair:
                notes.append(BOTH_NEEDED if feature.kind == "pbs" else PVE_BOTH_NEEDED)
            if user_repair or (
                repair and not _acts_as_token(feature.kind, account, has_privilege_separation)
            ):
                notes.append(CAUTION)
        else:
            notes.append(BAD_ACCOUNT)
    return Finding(
        feature=feature.key,
        title=feature.title,
        state=state,
        is_optional=feature.is_optional,
        paths=tuple(dict.fromkeys(one for paths, _ in found for one in paths)),
        why=feature.why,
        without=feature.without,
        note=" ".join(notes),
        repair=repair,
        user_repair=user_repair,
    )


def _places(feature: Feature, names: Mapping[str, Sequence[str]]) -> list[tuple[str, str]]:
    """Return what the paths of a feature are filled with, (placeholder, name); one with no name for fixed paths."""
    for placeholder, known in names.items():
        if f"{{{placeholder}}}" in feature.ways[0][0][0]:
            return [(placeholder, name) for name in known] or [(placeholder, "")]
    return [("", "")]


def _path(template: str, place: tuple[str, str]) -> str:
    """Return a path with its name; without one, that of all of them."""
    placeholder, name = place
    return template.replace(f"{{{placeholder}}}", name).rstrip("/") or "/"


def _best(
    feature: Feature, permissions: PermissionsReading, place: tuple[str, str]
) -> tuple[PathFinding, ...]:
    """Return what the first way that is open needs, by path, else what the one that is asked for lacks."""
    ways = [_checked(way, permissions, place) for way in feature.ways]
    whole = [way for way in ways if not any(one.missing for one in way)]
    return whole[0] if whole else ways[0]


def _checked(way: Way, permissions: PermissionsReading, place: tuple[str, str]) -> tuple[PathFinding, ...]:
    needed: dict[str, list[str]] = {}
    for template, privilege in way:
        needed.setdefault(_path(template, place), []).append(privilege)
    return tuple(
        PathFinding(
            path,
            tuple(privileges),
            tuple(one for one in privileges if permissions.has(path, one)),
            tuple(one for one in privileges if not permissions.has(path, one)),
        )
        for path, privileges in needed.items()
    )


def _is_held_below(permissions: PermissionsReading, way: Way) -> bool:
    """Return whether some guests, nodes or storages are open although not all of those that are known are."""
    return all(
        template != "/"
        and any(
            path.startswith(f"{template.partition('{')[0].rstrip('/')}/") and privilege in privileges
            for path, privileges in permissions.held.items()
        )
        for template, privilege in way
    )


def _target(
    role: Role, paths: Iterable[PathFinding], permissions: PermissionsReading, place: tuple[str, str]
) -> str:
    """Return where the role has to be given, "" when the path is not one that can be written safely.

    It is the path of the role, unless an entry further down replaces what would come from there.
    """
    target = _path(role.path, place)
    for one in paths:
        if one.missing:
            target = max(target, _entry_above(permissions, one.path), key=len)
    return target if PATH.fullmatch(target) else ""


def _entry_above(permissions: PermissionsReading, path: str) -> str:
    """Return the lowest path at or above this one that has an entry of its own: other privileges than it inherits."""
    while path != "/":
        above = path.rpartition("/")[0] or "/"
        if path in permissions.held and permissions.held[path] != _inherited(permissions, above):
            return path
        path = above
    return path


def _inherited(permissions: PermissionsReading, path: str) -> frozenset[str]:
    """Return what goes on below a path."""
    while path not in permissions.held and path != "/":
        path = path.rpartition("/")[0] or "/"
    return permissions.inherited.get(path, frozenset())


def is_account(text: str) -> bool:
    """Return whether a text can be written into a line: an account by Proxmox's rules, visible, and no option."""
    return bool(ACCOUNT.fullmatch(text)) and text.isprintable() and not text.startswith("-")


def _acts_as_token(kind: str, account: str, has_privilege_separation: bool | None) -> bool:
    """Return whether the account is a token with rights of its own."""
    return "!" in account.rpartition("@")[2] and (kind == "pbs" or has_privilege_separation is not False)


def _lines(
    kind: str, role: Role, paths: Sequence[str], account: str, has_privilege_separation: bool | None
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return the lines that give a role to the account, and those for the user behind a token; root needs none."""
    user = account.rpartition("!")[0] if "!" in account.rpartition("@")[2] else account
    of_user = [_grant(kind, role.name, path, user, is_token=False) for path in paths] if user != ROOT else []
    made = [_line("pveum", "role", "add", role.name, "--privs", ",".join(role.privileges))]
    made = made if role.privileges and kind == "pve" else []
    if not _acts_as_token(kind, account, has_privilege_separation):
        return tuple(made + of_user) if of_user else (), ()
    of_token = [_grant(kind, role.name, path, account, is_token=True) for path in paths]
    return tuple(made + of_token) if of_token else (), tuple(of_user)


def _grant(kind: str, role: str, path: str, holder: str, *, is_token: bool) -> str:
    if kind == "pbs":
        return _line("proxmox-backup-manager", "acl", "update", path, role, "--auth-id", holder)
    return _line(
        "pveum", "acl", "modify", path, "--tokens" if is_token else "--users", holder, "--roles", role
    )


def _line(*words: str) -> str:
    return shlex.join(words)


def repairs(
    findings: Iterable[Finding], *, of_user: bool = False, with_optional: bool = False
) -> tuple[str, ...]:
    """Return the lines of all findings, each once: of the account, or `of_user` those for the user of the token."""
    return tuple(
        dict.fromkeys(
            line
            for finding in findings
            if with_optional or not finding.is_optional
            for line in (finding.user_repair if of_user else finding.repair)
        )
    )
