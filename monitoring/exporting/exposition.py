"""Families of series as the text that Prometheus reads; pure.

Written by hand: docs/decisions/0017. Source: the text format 0.0.4 of Prometheus, and OpenMetrics 1.0.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Literal

TEXT = "text/plain; version=0.0.4; charset=utf-8"
OPEN_METRICS = "application/openmetrics-text; version=1.0.0; charset=utf-8"

#: What ends a series of these names in OpenMetrics, and does not belong to the name of its family.
TOTAL = "_total"
#: Control characters but the line feed, which is escaped: readers differ in what they make of them.
_UNREADABLE = dict.fromkeys((*range(10), *range(11, 32), 127), "\N{REPLACEMENT CHARACTER}")


class Family:
    """The series of one name: what they mean, and a line for each.

    The samples are kept as text, those that came together in one piece: there are hundreds of thousands of them. A value that is
    None is not known, and no line.
    """

    __slots__ = ("help", "kind", "name", "pieces")

    def __init__(self, name: str, kind: Literal["gauge", "counter"], help: str) -> None:
        self.name = name
        self.kind = kind
        self.help = help
        self.pieces: list[str] = []

    def add(self, labels: str, value: float | None) -> None:
        """Add a sample; `labels` as `spelled` has them, or empty."""
        if labels:
            self.extend((labels,), (value,))
        elif value is not None:
            self.pieces.append(f"{self.name} {value}\n")

    def extend(self, labels: Iterable[str], values: Iterable[float | None], *, common: str = "") -> None:
        """Add a sample for each of these labels; those that all of them have may be given apart, with a comma behind."""
        begin = f"{self.name}{{{common}"
        # In one expression: ten thousand guests have a quarter of a million samples.
        lines = [
            f"{begin}{one}}} {value}\n"
            for one, value in zip(labels, values, strict=True)
            if value is not None
        ]
        if lines:
            self.pieces.append("".join(lines))


def spelled(labels: Mapping[str, str]) -> str:
    """Return labels as they stand between the braces."""
    return ",".join([f'{name}="{escaped(value)}"' for name, value in labels.items()])


def escaped(value: str) -> str:
    """Return the value of a label with everything escaped that would end it, whoever has chosen it."""
    if value.isascii() and value.isprintable() and '"' not in value and "\\" not in value:
        return value
    # A lone surrogate cannot be encoded; its number can, and tells two of them apart.
    plain = value.encode("utf-8", "backslashreplace").decode().translate(_UNREADABLE)
    return plain.replace("\\", "\\\\").replace("\n", "\\n").replace('"', '\\"')


def text_of(families: Iterable[Family]) -> bytes:
    """Return the families in the text format of Prometheus, which every release of it reads."""
    pieces: list[str] = []
    for family in families:
        pieces.append(f"# HELP {family.name} {family.help}\n# TYPE {family.name} {family.kind}\n")
        pieces += family.pieces
    return "".join(pieces).encode()


def open_metrics_of(families: Iterable[Family]) -> bytes:
    """Return the families as OpenMetrics: the family of a counter has no `_total` in its name, and the end is marked."""
    pieces: list[str] = []
    for family in families:
        name = family.name.removesuffix(TOTAL) if family.kind == "counter" else family.name
        pieces.append(f"# HELP {name} {family.help}\n# TYPE {name} {family.kind}\n")
        pieces += family.pieces
    return "".join((*pieces, "# EOF\n")).encode()
