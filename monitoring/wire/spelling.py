"""Structs of ours as the wire spells them, without a second declaration; pure.

Names are camelCase, also in structs inside. `taken_epoch` is `taken` on the wire: an RFC 3339 instant, null where there is none. Keys of
mappings are the names of things, not ours, and stay as they are; so does a shape, which is spelled already.
"""

from __future__ import annotations

from abc import ABCMeta
from functools import cache, reduce
from operator import or_
from types import UnionType
from typing import Annotated, Any, Union, get_args, get_origin

import msgspec

from pulse.lib.instants import ZERO_TIME, instant


class Instant(metaclass=ABCMeta):  # noqa: B024  nobody derives from it: what it stands for is registered
    """An instant on the wire: a text, or None."""


Instant.register(str)
Instant.register(type(None))
WireMoment = Annotated[
    Instant, msgspec.Meta(extra_json_schema={"type": ["string", "null"], "format": "date-time"})
]


def camel(name: str) -> str:
    """Return a name of ours as the wire spells names."""
    first, *rest = name.split("_")
    return first + "".join(word.capitalize() for word in rest)


def wire_name(name: str) -> str:
    """Return what a field is called on the wire."""
    return camel(name.removesuffix("_epoch"))


def spell(struct: msgspec.Struct) -> msgspec.Struct:
    """Return a struct as it is sent."""
    return msgspec.convert(struct, spelled(type(struct)), from_attributes=True, dec_hook=told_instant)


def told_instant(_: type, epoch_seconds: float | None) -> str | None:
    """Return an instant, None for one that is not known or that no calendar has."""
    text = instant(epoch_seconds)
    return None if text == ZERO_TIME else text


@cache
def spelled(struct: type[msgspec.Struct]) -> type[msgspec.Struct]:
    """Return the type of what is sent for such a struct: every field is always there."""
    fields = msgspec.structs.fields(struct)
    if any(not field.name.islower() for field in fields):
        return struct
    return msgspec.defstruct(
        struct.__name__,
        [
            (field.name, WireMoment if field.name.endswith("_epoch") else spelled_type(field.type))
            for field in fields
        ],
        rename=wire_name,
        frozen=True,
        module=struct.__module__,
        namespace={"__doc__": struct.__doc__},
    )


def spelled_type(kind: Any) -> Any:
    """Return the type of a field with the structs in it as they are sent."""
    origin, inner = get_origin(kind), get_args(kind)
    if origin is Annotated:
        return spelled_type(inner[0])
    if origin in (Union, UnionType):
        return reduce(or_, map(spelled_type, inner))
    if origin in (tuple, dict):
        return origin[tuple(map(spelled_type, inner))]
    return spelled(kind) if isinstance(kind, type) and issubclass(kind, msgspec.Struct) else kind
