"""In which steps figures are kept: each as a whole number of 16 bits; pure.

The step is `unit` for small figures and a share of the figure for large ones, so that a container of 64 MiB and a pool of a
petabyte fit the same code, and noise below what anybody looks at costs no bytes.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import cached_property
from math import exp, log, log1p

#: The code of what is not known; it is no number and never becomes one.
UNKNOWN = -32768
HIGHEST_CODE = 32767


class Scale:
    """Steps of `unit`, or of `share` of the figure where that is more; `share` 0: even steps only.

    What is below 0 counts as 0, and what is above the highest code as the highest.
    """

    def __init__(self, unit: float, share: float = 0.0) -> None:
        """Make the scale; `unit` is in that of the figures."""
        self.unit, self.share = unit, share
        self._knee = round(1 / share) if share else HIGHEST_CODE
        self._growth = log1p(share) if share else 1.0

    def code(self, figure: float | None) -> int:
        """Return the code of a figure, UNKNOWN of None."""
        if figure is None:
            return UNKNOWN
        steps = figure / self.unit
        if steps <= self._knee:
            return round(steps) if steps > 0 else 0
        return min(self._knee + round(log(steps / self._knee) / self._growth), HIGHEST_CODE)

    def codes(self, figures: Iterable[float | None]) -> list[int]:
        """Return the codes of many figures, as `code` does; equal ones in a row, as totals are, are computed once."""
        # Not by `code`: calling it takes as long as all the rest.
        unit, knee, growth = self.unit, self._knee, self._growth
        last, code, codes = None, UNKNOWN, []
        for figure in figures:
            if figure != last:
                last = figure
                if figure is None:
                    code = UNKNOWN
                elif (steps := figure / unit) <= knee:
                    code = round(steps) if steps > 0 else 0
                else:
                    code = knee + round(log(steps / knee) / growth)
                    if code > HIGHEST_CODE:
                        code = HIGHEST_CODE
            codes.append(code)
        return codes

    def figure(self, code: int) -> float | None:
        """Return the figure in the middle of the step, None of UNKNOWN."""
        return self.figures[code]

    @cached_property
    def figures(self) -> Figures:
        """What the codes mean: `figures[code]`."""
        return Figures(self)

    def step_at(self, figure: float) -> float:
        """Return the width of the step in which a figure lies: a figure and what is kept of it are at most half of it apart."""
        return self.unit if figure / self.unit <= self._knee else max(self.unit, figure * self.share)

    def _decoded(self, code: int) -> float:
        if code <= self._knee:
            return code * self.unit
        return self.unit * self._knee * exp((code - self._knee) * self._growth)


class Figures(dict[int, float | None]):
    """The figures of a scale by code, computed when they are first looked up; some thousand at most."""

    def __init__(self, scale: Scale) -> None:
        """Begin with what is not known."""
        super().__init__({UNKNOWN: None})
        self._scale = scale

    def __missing__(self, code: int) -> float:
        """Compute the figure of a code."""
        figure = self[code] = self._scale._decoded(code)
        return figure


#: 0 to 100 and above; a tenth of a point.
PERCENT = Scale(0.1)
#: Bytes; 4 MiB, or 0.1 %.
SIZE = Scale(4 << 20, 0.001)
#: Bytes per second; 1, or 2 %.
RATE = Scale(1, 0.02)
#: Processes that want to run; a hundredth, or 1 %.
LOAD = Scale(0.01, 0.01)
#: Whole things; 1, or 0.1 %.
COUNT = Scale(1, 0.001)
