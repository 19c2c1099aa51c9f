"""What an API call is to its handler, and the table in which the calls of a product stand."""

from __future__ import annotations

import zlib
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from tests.fake_proxmox.access import Account

if TYPE_CHECKING:
    from tests.fake_proxmox.server import FakeServer
    from tests.fake_proxmox.sites import FakeSite


class ApiFailure(Exception):
    """The call fails with this status; `reason` is the text a person reads."""

    def __init__(self, status: int, reason: str, errors: dict[str, str] | None = None) -> None:
        super().__init__(reason)
        self.status = status
        self.reason = reason
        self.errors = errors


class Encoded:
    """A body that many answers share; it is compressed once, and only if somebody asks."""

    def __init__(self, body: bytes) -> None:
        self.body = body
        self._gzipped: bytes | None = None

    @property
    def gzipped(self) -> bytes:
        """The body as a gzip stream."""
        if self._gzipped is None:
            self._gzipped = compress(self.body)
        return self._gzipped


def compress(body: bytes) -> bytes:
    """Return a gzip stream without a time stamp, so that equal bodies stay equal."""
    packer = zlib.compressobj(1, zlib.DEFLATED, 31)
    return packer.compress(body) + packer.flush()


@dataclass
class Call:
    """One authenticated request on its way to a handler."""

    site: FakeSite
    server: FakeServer
    account: Account | None
    now: float  # time of the data
    told_now: float  # time as this server tells it: differs while its clock is wrong
    names: dict[str, str] = field(default_factory=dict)  # from the path
    parameters: dict[str, str] = field(default_factory=dict)

    def may(self, path: str, privilege: str) -> bool:
        """Whether the caller has a privilege on a path."""
        return self.account is not None and self.account.has(path, privilege)


Handler = Callable[[Call], Any]


@dataclass(frozen=True)
class Entry:
    """One line of the table."""

    method: str
    segments: tuple[str, ...]
    handler: Handler
    parameters: frozenset[str]
    required: tuple[str, ...]
    privilege: tuple[str, str] | None  # path with {names}, privilege
    is_public: bool
    is_root_only: bool
    is_proxied: bool  # carried out by the {node} of the path

    def match(self, segments: list[str]) -> dict[str, str] | None:
        """Return the names in the path, None if it is another path."""
        if len(segments) != len(self.segments):
            return None
        names = {}
        for mine, given in zip(self.segments, segments, strict=True):
            if mine.startswith("{"):
                names[mine[1:-1]] = given
            elif mine != given:
                return None
        return names


class Table:
    """The calls of one product."""

    def __init__(self) -> None:
        self.entries: list[Entry] = []

    def call(
        self,
        method: str,
        path: str,
        *,
        parameters: tuple[str, ...] = (),
        required: tuple[str, ...] = (),
        privilege: tuple[str, str] | None = None,
        is_public: bool = False,
        is_root_only: bool = False,
        is_proxied: bool = False,
    ) -> Callable[[Handler], Handler]:
        """Return a decorator that enters a handler."""

        def enter(handler: Handler) -> Handler:
            self.entries.append(
                Entry(
                    method,
                    tuple(path.strip("/").split("/")),
                    handler,
                    frozenset(parameters + required),
                    required,
                    privilege,
                    is_public,
                    is_root_only,
                    is_proxied,
                )
            )
            return handler

        return enter

    def find(self, method: str, segments: list[str]) -> tuple[Entry, dict[str, str]] | None:
        """Return the entry of a path with the names in it, None when there is none."""
        for entry in self.entries:
            names = entry.match(segments)
            if names is not None and entry.method == method:
                return entry, names
        return None
