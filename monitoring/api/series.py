"""Series as JSON text.

Half of what an answer costs is the spelling of its numbers. One `%` for a whole series with a template of its grid takes 0.16 us a
point where the texts of the numbers are at hand (`monitoring.api.spelling`); structs through msgspec take 0.7, points joined
one by one 0.31. As columns: 0.10, and 0.22 where they are not at hand; a list of rounded floats through msgspec 0.49.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache

from monitoring.history.columns import Column
from monitoring.history.metrics import METRICS, Kind, Metric
from monitoring.wire.metrics import WIRE_METRICS, WireMetric

Values = Sequence[float | None]
#: Four digits say more than is kept (monitoring.history.scales); bytes and bytes per second are whole.
FOUR_DIGITS, WHOLE = "%.4g", "%.0f"
#: Templates of parts of a grid that are at hand.
MOST_ARRAYS = 100

_METRICS: Mapping[str, Metric] = {metric.name: metric for metrics in METRICS.values() for metric in metrics}
#: What each metric of the wire is made of.
SOURCES: Mapping[str, tuple[Metric, ...]] = {
    name: tuple(_METRICS[source] for source in metric.sources) for name, metric in WIRE_METRICS.items()
}
#: The metrics of the wire that there are of each kind.
NAMES_OF: Mapping[Kind, tuple[str, ...]] = {
    kind: tuple(name for name, sources in SOURCES.items() if set(sources) <= set(metrics))
    for kind, metrics in METRICS.items()
}


def kept_for(names: Iterable[str]) -> frozenset[Metric]:
    """Return what has to be read for these metrics of the wire."""
    return frozenset(source for name in names for source in SOURCES[name])


def means_of(name: str, columns: Mapping[Metric, Column]) -> Values | None:
    """Return the means of a metric of the wire, None when nothing is kept of it."""
    found = [columns.get(source) for source in SOURCES[name]]
    match found:
        case [Column(means)]:
            return means
        case [Column(used), Column(total)]:
            return shares(used, total)
    return None


def column_of(name: str, columns: Mapping[Metric, Column]) -> Column | None:
    """Return a metric of the wire, None when nothing is kept of it."""
    found = [columns.get(source) for source in SOURCES[name]]
    match found:
        case [Column() as column]:
            return column
        case [Column() as used, Column(total)]:
            return Column(*(shares(values, total) for values in used))
    return None


def shares(used: Values, total: Values) -> list[float | None]:
    """Return each used of its total in percent; not known where one of them is not, and never more than all.

    Both are kept in steps, so that a full disk may seem to hold a little more than there is.
    """
    first = total[0] if total else None
    if first and total.count(first) == len(total):
        scale = 100 / first
        found = [None if one is None else one * scale for one in used]
    else:
        found = [
            None if one is None or not whole else one / whole * 100
            for one, whole in zip(used, total, strict=True)
        ]
    if max(filter(None, found), default=0.0) <= 100:
        return found
    return [None if one is None else min(one, 100.0) for one in found]


def form_of(metric: WireMetric) -> str:
    """Return how the values of a metric are written."""
    return WHOLE if metric.is_whole else FOUR_DIGITS


@lru_cache(maxsize=64)
def array_of(form: str, count: int) -> str:
    """Return the template of a JSON array of so many numbers."""
    return f"[{','.join([form] * count)}]"


def array(values: Values, form: str) -> str:
    """Return the values as a JSON array, null for a gap."""
    if None not in values:
        return array_of(form, len(values)) % tuple(values)
    return f"[{','.join(spelled(values, form))}]"


def spelled(values: Values, form: str) -> list[str]:
    """Return the texts of values, null for a gap."""
    if None not in values:
        return list(map(form.__mod__, values))
    return ["null" if value is None else form % value for value in values]


class PointWriter:
    """Writes series of one grid as arrays of points, without those that are not known."""

    def __init__(self, points: Sequence[str]) -> None:
        """`points` are the templates of each, in order, with one `%s` for the value."""
        self._points = points
        self._arrays: dict[tuple[int, int, str], str] = {}

    def text(self, values: Sequence[str | float | None], form: str = "%s") -> str:
        """Return the array of values: texts, `null` for a gap, or numbers to be written in this form."""
        if "null" not in values:
            return self._array_of(0, len(values), form) % tuple(values)
        first, last = 0, len(values)
        while first < last and values[first] == "null":
            first += 1
        while first < last and values[last - 1] == "null":
            last -= 1
        within = values[first:last]
        if "null" not in within:
            return self._array_of(first, last, form) % tuple(within)
        known = [point % text for point, text in zip(self._points, values, strict=True) if text != "null"]
        return f"[{','.join(known)}]"

    def _array_of(self, first: int, last: int, form: str) -> str:
        """Return the template of some neighbouring points; what begins or ends within the grid mostly does so together."""
        key = (first, last, form)
        array = self._arrays.get(key)
        if array is None:
            if len(self._arrays) >= MOST_ARRAYS:
                self._arrays.clear()
            array = self._arrays[key] = f"[{','.join(self._points[first:last])}]".replace("%s", form)
        return array
