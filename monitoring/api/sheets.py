"""Series as a table for a spreadsheet: CSV as in RFC 4180."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Mapping
from itertools import chain

from monitoring.api.series import Values, form_of
from monitoring.history.columns import Column, Grid
from monitoring.wire.metrics import WIRE_METRICS
from pulse.lib.instants import instant_seen

#: A cell that begins so is a formula to a spreadsheet. Source: OWASP, "CSV injection".
_FORMULA = re.compile(r"[\s]*[=+\-@|%]")
_NOT_IN_NAMES = re.compile(r"[^A-Za-z0-9_-]+", re.ASCII)


def sheet(identity: str, part: str, grid: Grid, series: Mapping[str, Column]) -> str:
    """Return one line for each bucket: its start, whose it is, and of each metric the mean and the extremes.

    What is not known is an empty cell.
    """
    lines = io.StringIO()
    writer = csv.writer(lines)
    words = chain.from_iterable((name, f"{name}_low", f"{name}_high") for name in series)
    writer.writerow(["time", "resource", "part", *words])
    columns = [
        cells(values, form_of(WIRE_METRICS[name])) for name, column in series.items() for values in column
    ]
    whose = harmless(identity), harmless(part)
    times = map(instant_seen, grid.epochs)
    writer.writerows([at, *whose, *values] for at, values in zip(times, rows_of(columns, grid), strict=True))
    return lines.getvalue()


def rows_of(columns: list[list[str]], grid: Grid) -> Iterable[tuple[str, ...]]:
    """Return the lines of the columns; empty ones where there is no column."""
    return zip(*columns, strict=True) if columns else [()] * grid.size


def cells(values: Values, form: str) -> list[str]:
    """Return the values as cells."""
    return ["" if value is None else form % value for value in values]


def harmless(text: str) -> str:
    """Return a text that no spreadsheet takes for a formula: names are given by whoever may name a guest."""
    return f"'{text}" if _FORMULA.match(text) else text


def file_name(*words: str) -> str:
    """Return a name for a file: letters, digits, `-` and `_` of these words."""
    kept = "-".join(filter(None, (_NOT_IN_NAMES.sub("-", word).strip("-") for word in words)))
    return f"{kept[:100] or 'history'}.csv"
