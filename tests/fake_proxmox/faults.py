"""Ways in which a server can misbehave, and how each changes an answer."""

from __future__ import annotations

import itertools
import json
import threading
import zlib
from collections.abc import Callable
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from functools import lru_cache
from typing import Any

from tests.fake_proxmox.http import Answer
from tests.fake_proxmox.roles import HOSTILE_TEXTS

#: Before any request: the whole connection goes wrong.
CONNECTION_KINDS = frozenset({"silent", "tls-stall", "certificate"})
#: Instead of the right answer.
ANSWER_KINDS = frozenset(
    {
        "401",
        "403",
        "500",
        "595",
        "status",
        "html",
        "empty-body",
        "not-json",
        "null",
        "empty-list",
        "redirect",
        "gzip-bomb",
        "big",
        "deep",
    }
)
#: The right answer with other content.
CONTENT_KINDS = frozenset({"nan", "infinity", "huge", "hostile-names"})
#: The right answer, badly delivered.
DELIVERY_KINDS = frozenset({"hang", "drip", "reset", "truncate", "wrong-length", "endless"})
KINDS = CONNECTION_KINDS | ANSWER_KINDS | CONTENT_KINDS | DELIVERY_KINDS | {"down", "clock", "counter-reset"}


@dataclass
class Fault:
    """One fault in force."""

    id: int
    kind: str
    path: str = "*"  # shell pattern on the path without /api2/json
    left: int | None = None  # answers or connections it still takes part in; None: no end
    options: dict[str, Any] = field(default_factory=dict)


class FaultSet:
    """The faults of one server; safe to change from any thread."""

    def __init__(
        self, *, take_down: Callable[[], None], bring_up: Callable[[], None], reset: Callable[[], None]
    ) -> None:
        self._take_down = take_down
        self._bring_up = bring_up
        self._reset_counters = reset
        self._faults: list[Fault] = []
        self._ids = itertools.count(1)
        self._lock = threading.Lock()

    def add(self, kind: str, *, path: str = "*", count: int | None = None, **options: Any) -> int:
        """Put a fault in force and return its number; raises ValueError for a kind that does not exist."""
        if kind not in KINDS:
            raise ValueError(f"no fault {kind!r}; there are {', '.join(sorted(KINDS))}")
        if kind == "counter-reset":
            self._reset_counters()
            return 0
        with self._lock:
            fault = Fault(next(self._ids), kind, path, count, options)
            self._faults.append(fault)
        if kind == "down":
            self._take_down()
        return fault.id

    def clear(self, fault_id: int | None = None) -> None:
        """End one fault, or all."""
        with self._lock:
            gone = [fault for fault in self._faults if fault_id in (None, fault.id)]
            self._faults = [fault for fault in self._faults if fault not in gone]
        if any(fault.kind == "down" for fault in gone):
            self._bring_up()

    def active(self) -> list[Fault]:
        """Return the faults in force."""
        with self._lock:
            return list(self._faults)

    def take(self, kinds: frozenset[str], path: str = "*") -> Fault | None:
        """Return the first fault of these kinds that concerns a path, and use it once."""
        with self._lock:
            for fault in self._faults:
                if fault.kind in kinds and (path == "*" or fnmatchcase(path, fault.path)):
                    if fault.left is not None:
                        fault.left -= 1
                        if fault.left <= 0:
                            self._faults.remove(fault)
                    return fault
        return None

    def clock_offset_seconds(self) -> float:
        """Return by how much this server's clock is wrong."""
        with self._lock:
            return float(
                sum(fault.options.get("seconds", 3_600) for fault in self._faults if fault.kind == "clock")
            )


def replaced_answer(fault: Fault) -> Answer:
    """Return what is sent instead of the right answer by a fault of ANSWER_KINDS (401, 403, 500, 595, status apart)."""
    options = fault.options
    match fault.kind:
        case "html":
            page = (
                b"<!DOCTYPE html><html><head><title>Login</title></head><body><h1>Welcome</h1></body></html>"
            )
            return Answer(200, body=page, content_type="text/html;charset=UTF-8")
        case "empty-body":
            return Answer(200)
        case "not-json":
            return Answer(200, body=b'{"data":[{"id":"node/pve","type":')
        case "null":
            return Answer(200, body=b'{"data":null}')
        case "empty-list":
            return Answer(200, body=b'{"data":[]}')
        case "redirect":
            return Answer(
                302, headers=[("Location", options.get("location", "https://127.0.0.1:9/api2/json"))]
            )
        case "gzip-bomb":
            return Answer(
                200, body=gzip_bomb(options.get("mebibytes", 512)), headers=[("Content-Encoding", "gzip")]
            )
        case "big":
            return Answer(200, body=big_body(options.get("megabytes", 40)))
        case "deep":
            depth = options.get("depth", 100_000)
            return Answer(200, body=b'{"data":' + b"[" * depth + b"]" * depth + b"}")
    raise ValueError(fault.kind)


@lru_cache(maxsize=4)
def gzip_bomb(mebibytes: int) -> bytes:
    """Return a gzip stream of half a kilobyte per mebibyte that unpacks to one valid, long JSON text."""
    block = b"A" * (1 << 20)
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    begin, end = b'{"data":"', b'"}'
    head = packer.compress(begin) + packer.flush(zlib.Z_FULL_FLUSH)
    # After a full flush the same block is packed to the same bytes, so it is packed once and repeated.
    packed = packer.compress(block) + packer.flush(zlib.Z_FULL_FLUSH)
    tail = packer.compress(end) + packer.flush()
    check = zlib.crc32(begin)
    for _ in range(mebibytes):
        check = zlib.crc32(block, check)
    check = zlib.crc32(end, check)
    size = (len(begin) + len(block) * mebibytes + len(end)) & 0xFFFFFFFF
    trailer = check.to_bytes(4, "little") + size.to_bytes(4, "little")
    return b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x02\xff" + head + packed * mebibytes + tail + trailer


@lru_cache(maxsize=2)
def big_body(megabytes: int) -> bytes:
    """Return valid JSON of at least that many million bytes."""
    row = (
        b'{"id":"qemu/100","type":"qemu","vmid":100,"node":"pve","status":"running","name":"'
        + b"x" * 900
        + b'"},'
    )
    count = megabytes * 1_000_000 // len(row) + 1
    return b'{"data":[' + row * count + row[:-1] + b"]}"


def spoiled(fault: Fault, body: bytes) -> bytes:
    """Return a body with the content that a fault of CONTENT_KINDS puts into it."""
    try:
        document = json.loads(body)
    except ValueError:
        return body
    if fault.kind == "hostile-names":
        return json.dumps(_with_hostile_texts(document, itertools.cycle(HOSTILE_TEXTS))).encode()
    value: float | int = {"nan": float("nan"), "infinity": float("inf"), "huge": 10**400}[fault.kind]
    return json.dumps(_with_figures(document, value)).encode()


#: Identities stay, or nothing would be left to spoil.
_KEPT_NUMBERS = frozenset({"vmid", "nodeid", "template", "shared", "online", "local", "quorate"})
_FREE_TEXTS = frozenset(
    {"name", "tags", "pool", "lock", "hastate", "comment", "error", "maintenance", "level"}
)


def _with_figures(value: Any, figure: float) -> Any:
    if isinstance(value, dict):
        return {
            key: item if key in _KEPT_NUMBERS else _with_figures(item, figure) for key, item in value.items()
        }
    if isinstance(value, list):
        return [_with_figures(item, figure) for item in value]
    return figure if isinstance(value, int | float) and not isinstance(value, bool) else value


def _with_hostile_texts(value: Any, texts: itertools.cycle[str]) -> Any:
    if isinstance(value, list):
        return [_with_hostile_texts(item, texts) for item in value]
    if not isinstance(value, dict):
        return value
    return {
        key: next(texts) if key in _FREE_TEXTS else _with_hostile_texts(item, texts)
        for key, item in value.items()
    }
