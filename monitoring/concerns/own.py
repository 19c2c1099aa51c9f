"""What Pulse has to tell about itself, told with every instance: it is about all of them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from monitoring.concerns.shapes import WARNING, Concern
from monitoring.known.notices import Notice


def noticed(notices: Iterable[Notice]) -> Iterator[Concern]:
    """Yield the notices as concerns."""
    for one in notices:
        yield Concern(one.code, WARNING, "pulse", one.text)
