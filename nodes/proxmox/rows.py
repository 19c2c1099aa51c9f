"""What the readers of lists share: the rows of an answer, and what to do with those that cannot be read."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TypeVar
from urllib.parse import quote

from nodes.proxmox import values
from nodes.proxmox.errors import BadAnswer

Reading = TypeVar("Reading")

#: As the columns that hold them; longer than any Proxmox allows.
NAME_LIMIT = 128
SEGMENT_LIMIT = 256
#: Readings of one answer: more than any host has of anything but backups.
READINGS_LIMIT = 20_000

Row = Mapping[str, object]


def rows_of(data: object, what: str) -> list[object]:
    """Return the rows of a list answer. Raises BadAnswer when it is none."""
    if not isinstance(data, list):
        raise BadAnswer(f"The answer about {what} is not a list")
    return data


def fields_of(data: object, what: str) -> Row:
    """Return the fields of an answer about one thing. Raises BadAnswer when it is none."""
    if not isinstance(data, dict) or not data:
        raise BadAnswer(f"The answer about {what} is not an object")
    return data


def read_rows(
    data: object, what: str, read: Callable[[Row], Reading | None], *, limit: int = READINGS_LIMIT
) -> tuple[Reading, ...]:
    """Return what `read` makes of each row, without those it gives None for.

    Raises BadAnswer when there are rows and none of them can be read, or when more than `limit` can: a list that is
    cut would say of the rest that it is gone.
    """
    rows = rows_of(data, what)
    readings = tuple(reading for row in rows if isinstance(row, dict) and (reading := read(row)) is not None)
    if rows and not readings:
        raise BadAnswer(f"No entry of the answer about {what} can be read")
    if len(readings) > limit:
        raise BadAnswer(f"The answer about {what} has more than {limit} entries")
    return readings


def entries(value: object, limit: int) -> list[Row]:
    """Return the objects of a list inside an answer, of its first `limit` entries; none when it is no list."""
    if not isinstance(value, list):
        return []
    return [row for row in value[:limit] if isinstance(row, dict)]


def name(value: object) -> str:
    """Return the name of a node, a storage or the like, "" when there is none."""
    return values.text(value, NAME_LIMIT)


def segment(text: str) -> str:
    """Return text as exactly one segment of a path.

    Raises BadAnswer for what would lead elsewhere: names come from the answers of hosts.
    """
    if not text or text in (".", "..") or len(text) > SEGMENT_LIMIT:
        raise BadAnswer("A name in the answer cannot be part of an address")
    try:
        return quote(text, safe="")
    except UnicodeEncodeError:
        raise BadAnswer("A name in the answer cannot be part of an address") from None
