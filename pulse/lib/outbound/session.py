"""A session of requests whose calls keep to a policy and a budget, follow no redirect and take nothing from the environment."""

from __future__ import annotations

import threading
import time
from collections.abc import Collection, Mapping
from typing import Any

import requests
from requests import PreparedRequest, Response
from requests.adapters import BaseAdapter
from requests.structures import CaseInsensitiveDict
from urllib3.connection import HTTPConnection

from pulse.lib.outbound.budget import Budget
from pulse.lib.outbound.connecting import connect, presented_fingerprint
from pulse.lib.outbound.errors import Dropped, NotSendable
from pulse.lib.outbound.exchanging import exchange
from pulse.lib.outbound.places import Place, place_of
from pulse.lib.outbound.policy import AddressPolicy

#: One whole call that says nothing else.
CALL_SECONDS = 20.0
#: Many servers close an idle connection after 5 s.
IDLE_SECONDS = 4.0
MAX_BODY_BYTES = 1 << 20
#: What may be asked a second time when nobody knows whether the first one arrived.
REPEATABLE = ("GET", "HEAD")


class Adapter(BaseAdapter):
    """Carries requests, from any number of threads; may be mounted into any session of requests.

    Each answer is read before it is handed out. Policy, trust and size belong to the adapter: what a call says about `verify`,
    `cert`, `proxies` and `stream` changes nothing. `timeout` is a Budget, or the seconds of the whole call.
    """

    def __init__(
        self,
        policy: AddressPolicy,
        *,
        verify_tls: bool = True,
        fingerprint: str = "",
        authority: str = "",
        max_body_bytes: int = MAX_BODY_BYTES,
        idle_seconds: float = IDLE_SECONDS,
        repeatable: Collection[str] = REPEATABLE,
    ) -> None:
        super().__init__()
        #: Of the certificate shown last; "" before the first connection and without TLS.
        self.presented_fingerprint = ""
        #: Of the one that is pinned now in the place of the given one, because its authority has renewed it; "" while none is.
        self.renewed_fingerprint = ""
        self._policy = policy
        self._verify_tls = verify_tls
        self._fingerprint = fingerprint
        self._authority = authority
        self._max_body_bytes = max_body_bytes
        self._idle_seconds = idle_seconds
        self._repeatable = repeatable
        self._lock = threading.Lock()
        #: Where to, since when; the longest idle first.
        self._idle: list[tuple[Place, float, HTTPConnection]] = []
        self._is_closed = False

    def send(
        self,
        request: PreparedRequest,
        stream: bool = False,
        timeout: Any = None,
        verify: bool | str = True,
        cert: Any = None,
        proxies: Mapping[str, str] | None = None,
    ) -> Response:
        """Return the answer of whatever status. Raises an OutboundError.

        A kept connection that turns out to be dead is replaced once. What must not arrive twice goes on a new one, where there is
        no such doubt.
        """
        place = place_of(request.url or "")
        budget = timeout if isinstance(timeout, Budget) else Budget(place, seconds=timeout or CALL_SECONDS)
        kept = self._kept_connection(place) if request.method in self._repeatable else None
        if kept is not None:
            try:
                return self._exchange(kept, place, request, budget)
            except Dropped:
                pass
        pinned = self._fingerprint
        connection = connect(
            place,
            self._policy,
            budget,
            verify_tls=self._verify_tls,
            fingerprint=pinned,
            authority=self._authority,
        )
        self.presented_fingerprint = presented_fingerprint(connection)
        if pinned and self.presented_fingerprint != pinned:
            self._fingerprint = self.renewed_fingerprint = self.presented_fingerprint
        return self._exchange(connection, place, request, budget)

    def close(self) -> None:
        """Close all connections; those in use are closed by their call when it ends."""
        with self._lock:
            self._is_closed = True
            idle, self._idle = self._idle, []
        for _, _, connection in idle:
            connection.close()

    def _exchange(
        self, connection: HTTPConnection, place: Place, request: PreparedRequest, budget: Budget
    ) -> Response:
        response = exchange(connection, request, budget, max_body_bytes=self._max_body_bytes)
        self._keep(connection, place)
        return response

    def _kept_connection(self, place: Place) -> HTTPConnection | None:
        """Return the connection to the place that was used last, unless the host has closed it by now."""
        oldest = time.monotonic() - self._idle_seconds
        fresh: list[tuple[Place, float, HTTPConnection]] = []
        kept: HTTPConnection | None = None
        with self._lock:
            for where, since, connection in reversed(self._idle):
                if since < oldest or not connection.is_connected:
                    connection.close()
                elif where == place and kept is None:
                    kept = connection
                else:
                    fresh.insert(0, (where, since, connection))
            self._idle = fresh
        return kept

    def _keep(self, connection: HTTPConnection, place: Place) -> None:
        """Keep an open connection for the next call."""
        if connection.sock is None:
            return
        with self._lock:
            if not self._is_closed:
                self._idle.append((place, time.monotonic(), connection))
                return
        connection.close()


class Session(requests.Session):
    """A session over one adapter. Cookies that a server sets are not kept; netrc and proxies are not read."""

    def __init__(self, adapter: Adapter, headers: Mapping[str, str] | None = None) -> None:
        super().__init__()
        self.trust_env = False
        self.headers = CaseInsensitiveDict(
            {"Accept": "*/*", "Accept-Encoding": "gzip", "User-Agent": "Pulse", **(headers or {})}
        )
        self.mount("https://", adapter)
        self.mount("http://", adapter)

    def request(  # type: ignore[override]  # narrower: what is missing here has no place in a bounded call
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        params: Mapping[str, Any] | None = None,
        data: Any = None,
        json: Any = None,
        auth: Any = None,
        timeout: float | Budget = CALL_SECONDS,
        allow_redirects: bool = False,
        verify: bool | str = True,
    ) -> Response:
        """Return the answer of whatever status; `allow_redirects` and `verify` change nothing. Raises an OutboundError only."""
        prepared = PreparedRequest()
        try:
            prepared.prepare(
                method=method,
                url=url,
                headers={**self.headers, **(headers or {})},
                params=params,
                data=data,
                json=json,
                auth=auth,
            )
            return self.send(prepared, timeout=timeout, proxies={})  # type: ignore[arg-type]
        except requests.RequestException:
            pass  # it may quote the address or a header, so it is no part of the error
        raise NotSendable("The address or a header cannot be part of a request")

    def get_redirect_target(self, resp: Response) -> None:
        """Return None: an answer that leads elsewhere is an answer."""
