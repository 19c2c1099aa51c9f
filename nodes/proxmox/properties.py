"""Texts that Proxmox packs several values into: property strings, lists, sizes with a unit.

Nothing here raises. Source: api-facts.md sections 3 and 4.1 (configuration of a guest).
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import lru_cache
from typing import Annotated

from nodes.proxmox.values import size, text, whole

VMID_HIGHEST = 999_999_999

PROPERTIES_LIMIT = 4096
TAG_LIMIT = 128
#: Together, with their separators: the columns that hold them.
TAGS_LIMIT = 512
CONTENT_LIMIT = 200
NAME_LIMIT = 128
NAMES_LIMIT = 1000
VMIDS_LIMIT = 20_000
#: Ten characters for each.
VMIDS_TEXT_LIMIT = 200_000

SEPARATOR = re.compile(r"[;,\s]+")
#: "32G", "1029M", "1.05GB", "3.20 GiB": Proxmox counts by 1024 in all of them.
SIZE = re.compile(r"([0-9]{1,15})(?:\.([0-9]{1,9}))? ?(?:([KMGTP])(?:i?B)?|B)?", re.ASCII)
UNITS = {None: 1, "K": 1 << 10, "M": 1 << 20, "G": 1 << 30, "T": 1 << 40, "P": 1 << 50}


def properties(value: object, *, first: str = "") -> dict[str, str]:
    """Return the pairs of a property string such as "local:vm-1-disk-0,backup=0,size=32G".

    A part without "=" is the value of the key `first`; of a key that comes twice the first one counts.
    """
    pairs: dict[str, str] = {}
    for part in text(value, PROPERTIES_LIMIT).split(","):
        key, separator, option = part.strip().partition("=")
        if separator:
            pairs.setdefault(key.strip(), option.strip())
        elif key and first:
            pairs.setdefault(first, key)
    return pairs


def unit_size(value: object) -> int | None:
    """Return the bytes of a size with a unit, or without one; None for everything else."""
    match = SIZE.fullmatch(text(value, 40))
    if not match:
        return None
    number, fraction, unit = match.groups()
    factor = UNITS[unit]
    return size(int(number) * factor + (int(fraction) * factor // 10 ** len(fraction) if fraction else 0))


def tags(value: object) -> tuple[str, ...]:
    """Return the tags in their order, each once; Proxmox itself splits at semicolons, commas and blanks."""
    return _tags(value if type(value) is str and len(value) <= TAGS_LIMIT else text(value, TAGS_LIMIT * 2))


@lru_cache(maxsize=16_384)
def _tags(spelled: str) -> tuple[str, ...]:
    # Remembered: thousands of guests carry the same few, in every poll.
    parts = SEPARATOR.split(text(spelled, TAGS_LIMIT * 2))
    return _fitting(dict.fromkeys(part[:TAG_LIMIT] for part in parts if part), TAGS_LIMIT)


def content(value: object) -> tuple[str, ...]:
    """Return the kinds of content, sorted: Proxmox sends them in random order."""
    parts = (part.strip() for part in text(value, CONTENT_LIMIT * 2).split(","))
    return _fitting(sorted({part for part in parts if part}), CONTENT_LIMIT)


def names(value: object) -> tuple[str, ...]:
    """Return a list of names, such as the nodes of a storage: sorted, each once, at most 1,000."""
    parts = SEPARATOR.split(text(value, NAMES_LIMIT * NAME_LIMIT))
    return tuple(sorted({part[:NAME_LIMIT] for part in parts if part})[:NAMES_LIMIT])


def hosts(value: object) -> tuple[str, ...]:
    """Return a list of hosts, such as the monitors of Ceph: sorted, each once, without ports and brackets."""
    return tuple(sorted({host for told in names(value) if (host := _without_port(told))}))


def _without_port(told: str) -> str:
    if told.startswith("["):
        return told[1:].partition("]")[0]
    return told.partition(":")[0] if told.count(":") == 1 else told


def backup_directory(value: object) -> str:
    """Return the directory of backups among those that a storage has for each content ("backup=dir,iso=other")."""
    return properties(value).get("backup", "")


def vmids(value: object) -> tuple[int, ...]:
    """Return a list of vmids: sorted, each once, without what cannot be one."""
    parts = SEPARATOR.split(text(value, VMIDS_TEXT_LIMIT))
    numbers = {number for part in parts if (number := vmid(part)) is not None}
    return tuple(sorted(numbers)[:VMIDS_LIMIT])


def vmid(value: object) -> int | None:
    """Return the number of a guest, None when it cannot be one."""
    number = whole(value)
    return number if number is not None and 1 <= number <= VMID_HIGHEST else None


def _fitting(parts: Iterable[str], limit: int) -> tuple[str, ...]:
    """Return the first parts that fit into `limit` characters together with one separator each."""
    kept: list[str] = []
    for part in parts:
        limit -= len(part) + 1
        if limit < -1:
            break
        kept.append(part)
    return tuple(kept)


Content = Annotated[tuple[str, ...], content]
Hosts = Annotated[tuple[str, ...], hosts]
Names = Annotated[tuple[str, ...], names]
Tags = Annotated[tuple[str, ...], tags]
Vmid = Annotated[int, vmid]
Vmids = Annotated[tuple[int, ...], vmids]
