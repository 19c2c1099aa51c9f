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

    def __init__(
        self,
        status: int,
        reason: str,
        errors: dict[str, str] | None = None,
        *,
        delay_seconds: float = 0.0,  # how long the caller waits for it
    ) -> None:
        super().__init__(reason)
        self.status = status
        self.reason = reason
        self.errors = errors
        self.delay_seconds = delay_seconds


@dataclass(frozen=True)
class Counted:
    """A part of a list, and how long the whole list is: `total` stands beside `data`."""

    rows: list[dict[str, Any]]
    total: int


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

    def may(self, path: str, *privileges: str) -> bool:
        """Whether the caller has any of these privileges on a path; for a guest its pool counts as well."""
        account = self.account
        if account is None:
            return False
        if any(account.has(path, name) for name in privileges):
            return True
        pool = self.site.pool_of(path[5:]) if path.startswith("/vms/") else ""
        return bool(pool) and any(account.has(f"/pool/{pool}", name) for name in privileges)

    def demand(self, path: str, *privileges: str) -> None:
        """Refuse unless the caller has any of these privileges on a path."""
        if not self.may(path, *privileges):
            raise ApiFailure(403, f"Permission check failed ({path}, {'|'.join(privileges)})")

    def flag(self, name: str) -> bool:
        """Return a parameter that is true or false, false when it was not sent."""
        return self.parameters.get(name, "0").lower() in ("1", "true", "yes", "on")

    def number(self, name: str, default: int) -> int:
        """Return a parameter that is a number; a word gets a 400."""
        text = self.parameters.get(name)
        if text is None:
            return default
        try:
            return int(text)
        except ValueError:
            error = f"type check ('integer') failed - got '{text}'"
            raise ApiFailure(400, "Parameter verification failed.", {name: error}) from None


Handler = Callable[[Call], Any]
#: An ACL path with {names}, then the privileges of which any one is enough.
Privilege = tuple[str, ...]
#: Major and minor of a release.
Version = tuple[int, int]


@dataclass(frozen=True)
class Entry:
    """One line of the table."""

    method: str
    segments: tuple[str, ...]
    handler: Handler
    parameters: frozenset[str]
    required: tuple[str, ...]
    privilege: Privilege | None
    older_privilege: tuple[Version, Privilege] | None  # what was asked for before a version
    since: Version  # before it there is no such call
    newer_parameters: dict[str, Version]  # since when a parameter is known
    roles: tuple[str, ...]  # of PMG, any of which is enough; empty: everybody
    is_public: bool
    is_root_only: bool
    is_proxied: bool  # carried out by the {node} of the path

    def privilege_in(self, version: Version) -> Privilege | None:
        """Return the privilege that a version asks for."""
        if self.older_privilege is not None and version < self.older_privilege[0]:
            return self.older_privilege[1]
        return self.privilege

    def parameters_in(self, version: Version) -> frozenset[str]:
        """Return the parameters that a version knows."""
        if not self.newer_parameters:
            return self.parameters
        unknown = {name for name, since in self.newer_parameters.items() if version < since}
        return self.parameters - unknown

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
        self._index: dict[tuple[str, int], list[Entry]] = {}

    def call(
        self,
        method: str,
        path: str,
        *,
        parameters: tuple[str, ...] = (),
        required: tuple[str, ...] = (),
        privilege: Privilege | None = None,
        older_privilege: tuple[Version, Privilege] | None = None,
        since: Version = (0, 0),
        newer_parameters: dict[str, Version] | None = None,
        roles: tuple[str, ...] = (),
        is_public: bool = False,
        is_root_only: bool = False,
        is_proxied: bool = False,
    ) -> Callable[[Handler], Handler]:
        """Return a decorator that enters a handler."""
        newer = newer_parameters or {}

        def enter(handler: Handler) -> Handler:
            entry = Entry(
                method,
                tuple(path.strip("/").split("/")),
                handler,
                frozenset((*parameters, *required, *newer)),
                required,
                privilege,
                older_privilege,
                since,
                newer,
                roles,
                is_public,
                is_root_only,
                is_proxied,
            )
            self.entries.append(entry)
            self._index.setdefault((method, len(entry.segments)), []).append(entry)
            return handler

        return enter

    def find(self, method: str, segments: list[str]) -> tuple[Entry, dict[str, str]] | None:
        """Return the entry of a path with the names in it, None when there is none."""
        for entry in self._index.get((method, len(segments)), ()):
            names = entry.match(segments)
            if names is not None:
                return entry, names
        return None
