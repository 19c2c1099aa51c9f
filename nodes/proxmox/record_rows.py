"""From the rows of `rrddata` and `rrd` to columns: as Proxmox itself writes them by way of the bytes at once, any others leniently.

An object of PVE 9 has 4,320 rows of twenty figures, and a cluster a thousand objects: without dictionaries in between they take a sixth
of the time.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from operator import attrgetter
from typing import Annotated, Any, NamedTuple

import msgspec
from msgspec import Meta

from nodes.proxmox.errors import BadAnswer
from nodes.proxmox.limits import ROWS
from nodes.proxmox.readings.records import RecordsReading, Series
from nodes.proxmox.rows import rows_of
from nodes.proxmox.values import EPOCH_HIGHEST, amount, epoch

WHAT = "the records"
#: The longest span that any product averages over is a week.
LONGEST_SECONDS = 8 * 86_400

Epoch = Annotated[int, Meta(ge=1, le=EPOCH_HIGHEST)]


class Column(NamedTuple):
    """A key of the rows, and the highest value that is believed."""

    key: str
    highest: float


class RowsReader:
    """The reader of rows with these columns, by the name of the figure; one in `unknown_at_zero` is not known where it is 0."""

    def __init__(
        self,
        columns: Mapping[str, Column],
        *,
        is_named_by_end: bool = True,
        unknown_at_zero: Sequence[str] = (),
    ) -> None:
        self._columns = columns
        self._is_named_by_end = is_named_by_end
        self._unknown_at_zero = frozenset(unknown_at_zero)
        figures = [
            (key, Annotated[float, Meta(ge=0, le=highest)] | None, None) for key, highest in columns.values()
        ]
        self._row = msgspec.defstruct("PlainRecord", [("time", Epoch), *figures], gc=False)
        plain = msgspec.defstruct("Plain", [("data", list[self._row])])  # type: ignore[name-defined]  # made here
        self._decoder: msgspec.json.Decoder[Any] = msgspec.json.Decoder(plain)

    def plain(self, body: bytes) -> list[object] | None:
        """Return the rows of an answer, None when any of them has to be read leniently, or the whole of it is no such answer."""
        try:
            rows: list[object] = self._decoder.decode(body).data
        except (ValueError, RecursionError):
            return None
        return rows

    def __call__(self, data: object) -> RecordsReading:
        """Return the reading of an answer, or of its rows as `plain` returns them. Raises BadAnswer."""
        rows = rows_of(data, WHAT)
        if len(rows) > ROWS[WHAT]:
            raise BadAnswer(f"The answer about {WHAT} has more than {ROWS[WHAT]} entries")
        is_plain = bool(rows) and type(rows[0]) is self._row
        dated = dated_plainly(rows) if is_plain else dated_rows(rows)
        times = sorted(dated)
        widths = widths_of(times, is_named_by_end=self._is_named_by_end)
        spans = [(at, width) for at, width in zip(times, widths, strict=True) if width]
        known = [dated[at] for at, _ in spans]
        series: dict[str, Series] = {}
        for figure, column in self._columns.items():
            values = tuple(map(attrgetter(column.key), known)) if is_plain else believed(known, column)
            if figure in self._unknown_at_zero:
                values = tuple(value or None for value in values)
            if values.count(None) < len(values):
                series[figure] = values
        starts = tuple(at - width * self._is_named_by_end for at, width in spans)
        return RecordsReading(starts, tuple(width for _, width in spans), series)


def dated_plainly(rows: Sequence[Any]) -> dict[int, Any]:
    """Return plain rows by their time; of two of the same time the later in the answer."""
    return {row.time: row for row in rows}


def dated_rows(rows: Sequence[object]) -> dict[int, Any]:
    """Return lenient rows by their time, as `dated_plainly` does. Raises BadAnswer when none has one."""
    dated = {at: row for row in rows if isinstance(row, dict) and (at := epoch(row.get("time"))) is not None}
    if rows and not dated:
        raise BadAnswer(f"No entry of the answer about {WHAT} can be read")
    return dated


def believed(rows: Sequence[Mapping[str, object]], column: Column) -> Series:
    """Return what each row tells of a figure, None for what cannot be."""
    key, highest = column
    numbers = [amount(row.get(key)) for row in rows]
    return tuple(None if number is None or number > highest else number for number in numbers)


def widths_of(times: Sequence[int], *, is_named_by_end: bool) -> list[int]:
    """Return how many seconds each row is about, 0 where nothing tells: by the distances of the rows, which need not be even.

    An upgrade to PVE 9 leaves coarse rows before fine ones. A row that is as far from its neighbour as that is wide goes on with its
    width. Where that changes, and after a hole, the nearer of both neighbours decides.
    """
    if not is_named_by_end:
        mirrored = [-at for at in reversed(times)]
        return widths_of(mirrored, is_named_by_end=True)[::-1]
    distances = [after - before for before, after in pairwise(times)]
    if distances and min(distances) == max(distances) <= LONGEST_SECONDS:
        return [distances[0]] * len(times)
    widths: list[int] = []
    for number in range(len(times)):
        behind = distances[number - 1] if number else None
        ahead = distances[number] if number < len(distances) else None
        if behind is not None and widths[-1] == behind:
            width = behind
        else:
            near = [one for one in (behind, ahead) if one is not None]
            if ahead is None and widths and widths[-1]:
                near.append(widths[-1])
            width = min(near, default=0)
        widths.append(width if width <= LONGEST_SECONDS else 0)
    return widths
