"""What an account may not see, what is missing without it, and the lines that repair it; pure.

An entry of the access tree replaces what comes from above it: a line for a path below "/" names all that is needed there.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Literal

import msgspec

from nodes.doctor.features import FEATURES, Feature, Role, Version, Way
from nodes.doctor.lines import PATH, acts_as_token, is_account, lines_for
from nodes.proxmox.readings.access import PermissionsReading

State = Literal["ok", "partial", "missing"]


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
    `user_repair` are those for the user of a token, which must have the same: to be run only where it has not; `user_note`
    says why. `caution` is to be read before the lines for a user are pasted, `user_repair` or, without a token, `repair`.
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
    user_note: str = ""
    caution: str = ""


BOTH_NEEDED = "A token has only what its user has as well: both need it."
PVE_BOTH_NEEDED = f"With privilege separation {BOTH_NEEDED[0].lower()}{BOTH_NEEDED[1:]}"
CAUTION = (
    "Leave out the line of a user that has these rights already: an entry of its own replaces what it has from a group "
    "or from further up."
)
BAD_ACCOUNT = "The name of the account is not one that Proxmox takes, so no line is shown."


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
    names = {"node": nodes, "storage": storages, "backup_storage": backup_storages, "datastore": datastores}
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
    fillings = _fillings(feature, names)
    checked = [(_best(feature, permissions, name), name) for name in fillings]
    lacking = [(paths, name) for paths, name in checked if any(path.missing for path in paths)]
    state: State = "ok" if not lacking else "partial" if len(lacking) < len(checked) else "missing"
    if state == "missing" and any(_is_held_below(permissions, way) for way in feature.ways):
        state = "partial"
    repair: tuple[str, ...] = ()
    user_repair: tuple[str, ...] = ()
    note = feature.note if lacking else ""
    if lacking and feature.role is not None:
        if is_account(account):
            targets = dict.fromkeys(
                _target(feature.role, paths, permissions, name) for paths, name in lacking
            )
            repair, user_repair = lines_for(
                feature.kind,
                feature.role,
                [path for path in targets if path],
                account,
                has_privilege_separation,
            )
        else:
            note = f"{note} {BAD_ACCOUNT}".strip()
    is_user = not acts_as_token(feature.kind, account, has_privilege_separation)
    return Finding(
        feature=feature.key,
        title=feature.title,
        state=state,
        is_optional=feature.is_optional,
        paths=tuple(dict.fromkeys(path for paths, _ in checked for path in paths)),
        why=feature.why,
        without=feature.without,
        note=note,
        repair=repair,
        user_repair=user_repair,
        user_note=(BOTH_NEEDED if feature.kind == "pbs" else PVE_BOTH_NEEDED) if user_repair else "",
        caution=CAUTION if user_repair or (repair and is_user) else "",
    )


def _fillings(feature: Feature, names: Mapping[str, Sequence[str]]) -> list[tuple[str, str]]:
    """Return what the paths of a feature are filled with, (placeholder, name); one with no name for fixed paths."""
    for placeholder, known_names in names.items():
        if f"{{{placeholder}}}" in feature.ways[0][0][0]:
            return [(placeholder, name) for name in known_names] or [(placeholder, "")]
    return [("", "")]


def _path(template: str, filling: tuple[str, str]) -> str:
    """Return a path with its name; without one, that of all of them."""
    placeholder, name = filling
    return template.replace(f"{{{placeholder}}}", name).rstrip("/") or "/"


def _best(
    feature: Feature, permissions: PermissionsReading, filling: tuple[str, str]
) -> tuple[PathFinding, ...]:
    """Return what the first way that is open needs, by path, else what the one that is asked for lacks."""
    ways = [_checked(way, permissions, filling) for way in feature.ways]
    whole = [way for way in ways if not any(path.missing for path in way)]
    return whole[0] if whole else ways[0]


def _checked(way: Way, permissions: PermissionsReading, filling: tuple[str, str]) -> tuple[PathFinding, ...]:
    needed: dict[str, list[str]] = {}
    for template, privilege in way:
        needed.setdefault(_path(template, filling), []).append(privilege)
    return tuple(
        PathFinding(
            path,
            tuple(privileges),
            tuple(privilege for privilege in privileges if permissions.has(path, privilege)),
            tuple(privilege for privilege in privileges if not permissions.has(path, privilege)),
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
    role: Role, paths: Iterable[PathFinding], permissions: PermissionsReading, filling: tuple[str, str]
) -> str:
    """Return where the role has to be given, "" when the path is not one that can be written safely.

    It is the path of the role, unless an entry further down replaces what would come from there.
    """
    target = _path(role.path, filling)
    for path in paths:
        if path.missing:
            target = max(target, _entry_above(permissions, path.path), key=len)
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
