"""What readers are made of: which key of a row becomes which field of a reading, and what to do with what cannot be read."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from operator import attrgetter
from typing import Any, Generic, TypeVar, get_type_hints

import msgspec

from nodes.proxmox.errors import BadAnswer
from nodes.proxmox.limits import ROWS
from nodes.proxmox.values import fields

Reading = TypeVar("Reading")
StructReading = TypeVar("StructReading", bound=msgspec.Struct)

Row = Mapping[str, object]
ReadRow = Callable[[Row], Reading | None]
#: How one field is read: by a converter, of the value that a key or several nested ones lead to, or of the whole row.
Told = tuple[Any, ...] | Callable[[Row], object]


def row_of(reading: type[StructReading], **told: Told) -> ReadRow[StructReading]:
    """Return the reader of a row, as the fields of the reading declare: `Annotated[type, converter, key, ...]`.

    What more than one key decides, or a converter of its own, is given here: `field=function` of the whole row, or
    `field=(converter, key, ...)`. A field without a default is one without which there is no reading; one of which nothing
    is declared keeps its default.
    """
    declared = msgspec.structs.fields(reading)
    if unknown := told.keys() - {field.name for field in declared}:
        raise TypeError(f"{reading.__name__} has no field {sorted(unknown)}")
    hints = get_type_hints(reading, include_extras=True)
    told = {name: hint.__metadata__ for name, hint in hints.items() if hasattr(hint, "__metadata__")} | told
    plan = tuple(_step(told.get(field.name) or _always(field.default)) for field in declared)
    needed = sum(field.required for field in declared)  # they come first in a struct

    def read(row: Row) -> StructReading | None:
        get = row.get
        values = [convert(row if key is None else get(key)) for convert, key in plan]
        for value in values[:needed]:
            if value is None or value == "":
                return None
        return reading(*values)

    return read


def _always(value: object) -> Callable[[Row], object]:
    return lambda _: value


def _step(told: Told) -> tuple[Callable[[Any], object], str | None]:
    """Return a converter, and the key of a row that it converts; None for the whole row."""
    if not isinstance(told, tuple):
        return told, None
    convert, key, *deeper = told
    for inner in reversed(deeper):
        convert = _below(convert, inner)
    return convert, key


def _below(convert: Callable[[object], object], key: str) -> Callable[[object], object]:
    return lambda value: convert(fields(value).get(key))


def first(convert: Callable[[object], Any], *keys: str) -> Callable[[Row], Any]:
    """Return what reads the first of several keys that tells something; "" when none does."""
    return lambda row: next((told for key in keys if (told := convert(row.get(key)))), "")


@dataclass(frozen=True)
class Rows(Generic[Reading]):
    """The reader of an answer that is a list, sorted by fields of its readings; without any in the order of the answer."""

    what: str
    read: ReadRow[Reading]
    by: tuple[str, ...] = ()

    def __call__(self, data: object) -> tuple[Reading, ...]:
        """Return the readings, without what is no reading. Raises BadAnswer, as `read_rows` does."""
        readings = read_rows(data, self.what, self.read)
        return tuple(sorted(readings, key=attrgetter(*self.by))) if self.by else readings


@dataclass(frozen=True)
class Thing(Generic[Reading]):
    """The reader of an answer about one thing; `lack` says what is missing when it is no reading."""

    what: str
    read: ReadRow[Reading]
    lack: str = "lacks what is needed"

    def __call__(self, data: object) -> Reading:
        """Return the reading. Raises BadAnswer."""
        reading = self.read(fields_of(data, self.what))
        if reading is None:
            raise BadAnswer(f"The answer about {self.what} {self.lack}")
        return reading


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


def read_rows(data: object, what: str, read: ReadRow[Reading]) -> tuple[Reading, ...]:
    """Return what `read` makes of each row, without those it gives None for.

    Raises BadAnswer when there are rows and none of them can be read, or when more can than `limits.ROWS` has for `what`: a list
    that is cut would say of the rest that it is gone.
    """
    limit = ROWS[what]
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
