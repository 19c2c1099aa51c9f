"""Series as JSON text.

Half of what an answer costs is the spelling of its numbers. One `%` for a whole series with a template of its grid takes 0.29 us a
point, 0.16 where the texts of the numbers are at hand; structs through msgspec take 0.7, points joined one by one 0.31. As columns: 0.22
and 0.10, a list of rounded floats through msgspec 0.49.
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
    if max((one for one in found if one is not None), default=0.0) <= 100:
        return found
    return [None if one is None else min(one, 100.0) for one in found]


def form_of(metric: WireMetric) -> str:
    """Return how the values of a metric are written."""
    return WHOLE if metric.is_whole else FOUR_DIGITS


class Texts(dict[float | None, str]):
    """How numbers are written, each once: what is kept is kept in steps, so that the same come again and again."""

    #: Means of several samples are all different: then it begins anew.
    MOST = 20_000

    def __init__(self, form: str) -> None:
        """`form` is how a number is written."""
        super().__init__({None: "null"})
        self.form = form

    def __missing__(self, value: float | None) -> str:
        """Write a number for the first time."""
        if len(self) >= self.MOST:
            self.clear()
            self[None] = "null"
        text = self[value] = self.form % value
        return text


_TEXTS: Mapping[str, Texts] = {form: Texts(form) for form in (FOUR_DIGITS, WHOLE)}


@lru_cache(maxsize=64)
def _array(form: str, count: int) -> str:
    return f"[{','.join([form] * count)}]"


def array(values: Values, form: str, *, is_kept: bool = False) -> str:
    """Return the values as a JSON array, null for a gap; `is_kept` that they come in steps."""
    if is_kept:
        return f"[{','.join(map(_TEXTS[form].__getitem__, values))}]"
    gaps = values.count(None)
    if not gaps:
        return _array(form, len(values)) % tuple(values)
    if gaps == len(values):
        return f"[{','.join(['null'] * gaps)}]"
    return f"[{','.join(['null' if value is None else form % value for value in values])}]"


class PointWriter:
    """Writes series of one grid as arrays of points, without those that are not known."""

    def __init__(self, points: Sequence[str], form: str) -> None:
        """`points` are the templates of each, in order, with one `%s` for the value; `form` is how that is written."""
        self._points = points
        every = f"[{','.join(points)}]"
        self._texts, self._form = _TEXTS[form], form
        self._of_texts, self._of_numbers = every, every.replace("%s", form)

    def text(self, values: Values, *, is_kept: bool = False) -> str:
        """Return the array; `is_kept` that the values come in steps."""
        gaps = values.count(None)
        if gaps == len(values):
            return "[]"
        if not gaps:
            if is_kept:
                return self._of_texts % tuple(map(self._texts.__getitem__, values))
            return self._of_numbers % tuple(values)
        known = [
            point % (self._form % value)
            for point, value in zip(self._points, values, strict=True)
            if value is not None
        ]
        return f"[{','.join(known)}]"


def first_known(values: Values) -> int | None:
    """Return the place of the first value that is known."""
    return next((place for place, value in enumerate(values) if value is not None), None)
