"""How the means of many objects are written: each code that is kept once, and then found by it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import NamedTuple

from monitoring.api.series import SOURCES, Values, form_of, shares, spelled
from monitoring.history.lines import Line, is_constant, means_of
from monitoring.history.metrics import Metric
from monitoring.history.scales import Figures, Scale
from monitoring.wire.metrics import WIRE_METRICS

NULL = "null"
#: The form of what is written already.
TEXT = "%s"
#: Totals of which the shares are remembered, and shares of each.
MOST_TOTALS, MOST_SHARES = 64, 1000


class Spelled(NamedTuple):
    """The numbers of a series: either as texts, `null` for a gap, or without any gap, to be written in this form."""

    form: str
    values: Sequence[str | float | None]

    def first_known(self) -> int:
        """Return the place of the first that is no gap."""
        return next(place for place, value in enumerate(self.values) if value != NULL)


class CodeTexts(dict[int, str]):
    """How the codes of a scale are written; some thousand at most, as with what they mean."""

    def __init__(self, figures: Figures, form: str) -> None:
        """`form` is how a number is written."""
        super().__init__()
        self._figures, self._form = figures, form

    def __missing__(self, code: int) -> str:
        """Write a code for the first time."""
        figure = self._figures[code]
        text = self[code] = NULL if figure is None else self._form % figure
        return text


class ShareTexts(dict[int, str]):
    """How the shares of one total are written, by the codes of what is used of it."""

    def __init__(self, figures: Figures, total: float | None, form: str) -> None:
        """`form` is how a number is written."""
        super().__init__()
        self._figures, self._total, self._form = figures, total, form

    def __missing__(self, code: int) -> str:
        """Write a share for the first time."""
        (share,) = shares([self._figures[code]], [self._total])
        text = NULL if share is None else self._form % share
        if len(self) < MOST_SHARES:
            self[code] = text
        return text


@lru_cache(maxsize=32)
def code_texts(scale: Scale, form: str) -> CodeTexts:
    """Return how the codes of a scale are written."""
    return CodeTexts(scale.figures, form)


@lru_cache(maxsize=MOST_TOTALS)
def share_texts(used: Scale, total: Scale, total_code: int, form: str) -> ShareTexts:
    """Return how the shares of a total are written."""
    return ShareTexts(used.figures, total.figures[total_code], form)


class Speller:
    """Writes one metric of the wire, of lines of which each so many codes are one bucket."""

    def __init__(self, name: str, width: int) -> None:
        """Look up what the metric is made of."""
        self.name, self.form, self._width = name, form_of(WIRE_METRICS[name]), width
        self._source, *totals = SOURCES[name]
        self._total: Metric | None = totals[0] if totals else None
        self._texts = code_texts(self._source.scale, self.form)

    def series(self, lines: Mapping[Metric, Line]) -> Spelled | None:
        """Return the numbers of all buckets; None where nothing is known of any."""
        line = lines.get(self._source)
        if line is None:
            return None
        if self._total is not None:
            total = lines.get(self._total)
            return self._shares(line, total, self._total.scale) if total is not None else None
        if is_constant(line):
            return constant(self._texts[line[0]], len(line) // self._width)
        if self._width == 1:
            return Spelled(TEXT, list(map(self._texts.__getitem__, line)))
        return numbers(means_of(line, self._width, self._source.scale.figures), self.form)

    def _shares(self, used: Line, total: Line, scale: Scale) -> Spelled | None:
        """Return the shares; a total that stays the same, as nearly all do, makes them a matter of looking them up."""
        if is_constant(total):
            texts = share_texts(self._source.scale, scale, total[0], self.form)
            if is_constant(used):
                return constant(texts[used[0]], len(used) // self._width)
            if self._width == 1:
                return known(list(map(texts.__getitem__, used)))
        means = shares(
            means_of(used, self._width, self._source.scale.figures),
            means_of(total, self._width, scale.figures),
        )
        return numbers(means, self.form)


def constant(text: str, size: int) -> Spelled | None:
    """Return the same text so often, None for gaps."""
    return Spelled(TEXT, [text] * size) if text != NULL else None


def numbers(values: Values, form: str) -> Spelled | None:
    """Return numbers, to be written all at once where there is no gap among them; None when there are only gaps."""
    return known(spelled(values, form)) if None in values else Spelled(form, values)


def known(texts: list[str]) -> Spelled | None:
    """Return texts, None when all are gaps."""
    return Spelled(TEXT, texts) if texts.count(NULL) < len(texts) else None
