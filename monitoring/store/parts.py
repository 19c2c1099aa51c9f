"""Structs in Redis, each a hash: whole, or in parts, a field for every attribute and an index that tells which of them are new.

What has not changed since this process read or wrote it last is neither encoded, sent nor decoded. docs/decisions/0009.
"""

from __future__ import annotations

import secrets
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping
from typing import Any, Generic

import msgspec
import redis

from monitoring.known.kinds import Kept, Kind

#: What is told of every attribute: it is another one whenever the attribute was saved with another value.
Stamps = dict[str, bytes]

#: The fields of the index, of what is kept whole and of the outline; no attribute can be called so.
INDEX, ALL, OUTLINE = "#", "*", "~"
#: How often new parts alone are asked for, while others save in between, before all of them are.
TRIES = 3
#: What is remembered at most, as it is encoded; decoded it takes about three times as much.
MOST_BYTES = 64 * 1024**2
#: What was not asked for in this time is forgotten: most likely somebody else serves the instance now.
IDLE_SECONDS = 900.0
#: Writes fields: new ones if the hash is still the one that they were compared with, all of them in place of any other.
#: Keys: the hash. Arguments: its index before or nothing, the expiry, fields and their values.
WRITE = """
if ARGV[1] == '' then redis.call('DEL', KEYS[1])
elseif redis.call('HGET', KEYS[1], '#') ~= ARGV[1] then return 0 end
redis.call('HSET', KEYS[1], unpack(ARGV, 3))
redis.call('EXPIRE', KEYS[1], ARGV[2])
return 1
"""

_encode = msgspec.msgpack.encode
_stamps_of = msgspec.msgpack.Decoder(Stamps).decode


class KeptWhole(Generic[Kept]):
    """Loads and saves one kind as one value, beside it what its outline tells. Raises as KeptInParts does."""

    def __init__(self, client: redis.Redis, kind: Kind[Kept, Any], *, expiry_seconds: int) -> None:
        self._redis: Any = client
        self._kind = kind
        self._decode = msgspec.msgpack.Decoder(kind.struct).decode
        self._expiry_seconds = expiry_seconds

    def load(self, key: str) -> Kept | None:
        """Return the struct as it was saved, the caller's own; None when there is none."""
        raw: bytes | None = self._redis.hget(key, ALL)
        return self._decode(raw) if raw is not None else None

    def save(self, key: str, kept: Kept) -> None:
        """Write it."""
        with self._redis.pipeline(transaction=True) as pipe:
            pipe.delete(key)  # whatever is there, it may be no hash
            pipe.hset(key, mapping={ALL: _encode(kept), OUTLINE: _encode(self._kind.outline_of(kept))})
            pipe.expire(key, self._expiry_seconds)
            pipe.execute()

    def forget(self, key: str) -> None:
        """Do nothing: nothing is remembered."""


class Attribute(msgspec.Struct, frozen=True):
    """One attribute as it was saved; nobody may change it any more."""

    stamp: bytes
    value: Any
    size_bytes: int  # as it is encoded


class Save(msgspec.Struct, frozen=True):
    """One save of a struct."""

    index: bytes
    attributes: dict[str, Attribute]

    @property
    def size_bytes(self) -> int:
        """How large it is as it is encoded."""
        return len(self.index) + sum(attribute.size_bytes for attribute in self.attributes.values())


class Recent:
    """What this process read or wrote last, by key: bounded in size and time, the longest unused goes first."""

    def __init__(self, most_bytes: int) -> None:
        self._most_bytes = most_bytes
        self._lock = threading.Lock()
        self._kept: OrderedDict[str, tuple[float, Save]] = OrderedDict()
        self.size_bytes = 0

    def get(self, key: str) -> Save | None:
        """Return what is remembered under a key."""
        with self._lock:
            entry = self._kept.get(key)
            if entry is None:
                return None
            self._kept[key] = (time.monotonic(), entry[1])
            self._kept.move_to_end(key)
            return entry[1]

    def put(self, key: str, kept: Save) -> None:
        """Remember it, and forget what has become too much; the newest stays however large it is."""
        now = time.monotonic()
        with self._lock:
            self._drop(key)
            self._kept[key] = (now, kept)
            self.size_bytes += kept.size_bytes
            while len(self._kept) > 1:
                oldest, (used_monotonic, _) = next(iter(self._kept.items()))
                if self.size_bytes <= self._most_bytes and now - used_monotonic <= IDLE_SECONDS:
                    break
                self._drop(oldest)

    def drop(self, key: str) -> None:
        """Forget it."""
        with self._lock:
            self._drop(key)

    def _drop(self, key: str) -> None:
        entry = self._kept.pop(key, None)
        if entry is not None:
            self.size_bytes -= entry[1].size_bytes


class KeptInParts(Generic[Kept]):
    """Loads and saves one kind in parts; for any number of threads. Attributes are compared with what they were.

    Every method raises redis.RedisError, and loading msgspec.MsgspecError for what cannot be read.
    """

    def __init__(
        self,
        client: redis.Redis,
        kind: Kind[Kept, Any],
        *,
        expiry_seconds: int,
        most_bytes: int = MOST_BYTES,
    ) -> None:
        self._redis: Any = client
        self._write: Any = client.register_script(WRITE)
        self._kind = kind
        self._expiry_seconds = expiry_seconds
        self._decoders: dict[str, Callable[[bytes], Any]] = {
            field.name: msgspec.msgpack.Decoder(field.type).decode
            for field in msgspec.structs.fields(kind.struct)
        }
        self.recent = Recent(most_bytes)

    def load(self, key: str) -> Kept | None:
        """Return the struct as it was saved, all of it by one save, or None when there is none.

        It is the caller's: setting its attributes changes nothing here. The values are shared.
        """
        last = self.recent.get(key)
        index = self._redis.hget(key, INDEX)
        if index is not None and (last is None or last.index != index):
            last = self._read(key, index, last.attributes if last is not None else {})
            if last is not None:
                self.recent.put(key, last)
        if index is None or last is None:
            self.recent.drop(key)
            return None
        return self._kind.struct(
            **{name: self._owned(name, attribute.value) for name, attribute in last.attributes.items()}
        )

    def save(self, key: str, kept: Kept) -> None:
        """Write what differs from what this process read or wrote last; everything when somebody else has written since."""
        last = self.recent.get(key)
        try:
            is_written = last is not None and self._write_new(key, kept, last)
        except redis.ResponseError:  # what is there is no hash
            is_written = False
        if not is_written:
            self._write_new(key, kept, Save(b"", {}))

    def forget(self, key: str) -> None:
        """Remember nothing of it any more."""
        self.recent.drop(key)

    def _write_new(self, key: str, kept: Kept, last: Save) -> bool:
        """Write what differs from the last save; False when that is no longer there."""
        attributes, new = self._compared(kept, last.attributes)
        index = _encode({name: attribute.stamp for name, attribute in attributes.items()})
        fields = [item for field in new.items() for item in field]
        if not self._write(keys=[key], args=[last.index, self._expiry_seconds, INDEX, index, *fields]):
            return False
        self.recent.put(key, Save(index, attributes))
        return True

    def _compared(
        self, kept: Kept, before: Mapping[str, Attribute]
    ) -> tuple[dict[str, Attribute], dict[str, bytes]]:
        """Return all parts, and encoded those of them that are not as before, with the outline that follows."""
        stamp = secrets.token_bytes(8)
        attributes: dict[str, Attribute] = {}
        new: dict[str, bytes] = {}
        for name in self._decoders:
            value, attribute = getattr(kept, name), before.get(name)
            # Comparing costs little: what was not replaced is the same object, down to the entries of a dict.
            if attribute is None or not (attribute.value is value or attribute.value == value):
                new[name] = _encode(value)
                attribute = Attribute(stamp, self._owned(name, value), len(new[name]))
            attributes[name] = attribute
        if not new.keys().isdisjoint(self._kind.outline.__struct_fields__):
            new[OUTLINE] = _encode(self._kind.outline_of(kept))
        return attributes, new

    def _read(self, key: str, index: bytes, last: Mapping[str, Attribute]) -> Save | None:
        """Fetch the parts that are not known with the index that they belong to, None when there are none any more."""
        for tries_left in reversed(range(TRIES)):
            wanted = self._outdated(index, last) if tries_left else list(self._decoders)
            newer, *raws = self._redis.hmget(key, [INDEX, *wanted])
            if newer is None:
                return None
            if newer == index or not tries_left:
                index = newer
                break
            index = newer  # saved in between: other parts are new
        return Save(index, self._decoded(index, last, dict(zip(wanted, raws, strict=True))))

    def _outdated(self, index: bytes, last: Mapping[str, Attribute]) -> list[str]:
        stamps = _stamps_of(index)
        return [
            name
            for name in self._decoders
            if name in stamps and (name not in last or last[name].stamp != stamps[name])
        ]

    def _decoded(
        self, index: bytes, last: Mapping[str, Attribute], raws: Mapping[str, bytes | None]
    ) -> dict[str, Attribute]:
        """Return the parts of an index: those that are known by the same stamp, and the others as they were fetched."""
        attributes: dict[str, Attribute] = {}
        for name, stamp in _stamps_of(index).items():
            decode, attribute = self._decoders.get(name), last.get(name)
            if decode is None:
                continue
            if attribute is None or attribute.stamp != stamp:
                raw = raws.get(name)
                if raw is None:
                    raise msgspec.DecodeError(f"{name} is in the index only")
                attribute = Attribute(stamp, decode(raw), len(raw))
            attributes[name] = attribute
        return attributes

    def _owned(self, name: str, value: Any) -> Any:
        copied = self._kind.edited.get(name)
        return value if copied is None else copied(value)
