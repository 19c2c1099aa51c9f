"""How what is kept between polls and visits is declared to the store, which knows nothing else of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

import msgspec


class Outline(msgspec.Struct, frozen=True):
    """Attributes of something kept that are told without loading it; as they are here while nothing is kept."""


Kept = TypeVar("Kept", bound=msgspec.Struct)
Outlined = TypeVar("Outlined", bound=Outline)


@dataclass(frozen=True, slots=True, eq=False)
class Kind(Generic[Kept, Outlined]):
    """One kind of what is kept: of each instance, or once for all of them.

    Where others keep it, it travels whole or `in_parts`: an attribute by itself, when it has been replaced. Attributes that
    are edited instead are named in `edited`, each with what returns a copy that may be edited without changing the original.
    """

    name: str
    struct: type[Kept]
    outline: type[Outlined]
    in_parts: bool = False
    edited: Mapping[str, Callable[[Any], Any]] = field(default_factory=dict)

    def outline_of(self, kept: Kept) -> Outlined:
        """Return what is told of this without loading it."""
        return msgspec.convert(kept, self.outline, from_attributes=True)
