"""What a server was asked, and how: read by tests and benchmarks."""

from __future__ import annotations

import threading
from collections import Counter, deque
from dataclasses import dataclass
from typing import Any

from tests.fake_proxmox.http import Request

#: The last requests are kept one by one; older ones only in the sums.
LOG_LENGTH = 2_000


@dataclass(frozen=True, slots=True)
class LoggedRequest:
    """One request, without its secrets."""

    method: str
    path: str  # decoded, without /api2/json
    query: str
    status: int
    credential: str  # token, ticket, login or none
    user_agent: str
    accept_encoding: str

    @classmethod
    def of(cls, request: Request, path: str, status: int, credential: str) -> LoggedRequest:
        """Return what is kept of a request."""
        agent, encoding = (request.headers.get(name, "") for name in ("user-agent", "accept-encoding"))
        return cls(request.method, path, request.query, status, credential, agent, encoding)


class Load:
    """Calls that the nodes of a site carry out at once, whichever of its servers was asked."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._in_flight: Counter[str] = Counter()
        self._peaks: Counter[str] = Counter()

    def began(self, node: str) -> None:
        """A call is about to be carried out by a node."""
        with self._lock:
            self._in_flight[node] += 1
            self._peaks[node] = max(self._peaks[node], self._in_flight[node])

    def ended(self, node: str) -> None:
        """A call is over, answered or not."""
        with self._lock:
            self._in_flight[node] -= 1

    def peaks(self) -> dict[str, int]:
        """Return how many calls each node had at once, at most, since the last reset."""
        with self._lock:
            return dict(self._peaks)

    def reset(self) -> None:
        """Begin again; calls that are in flight stay counted as such."""
        with self._lock:
            self._peaks = +self._in_flight


class Traffic:
    """Counters of one server; every figure since the last reset."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._in_flight: Counter[str] = Counter()
        self.reset()

    @property
    def calls_in_flight(self) -> int:
        """How many calls are being carried out right now, by all nodes."""
        with self._lock:
            return self._in_flight.total()

    def reset(self) -> None:
        """Begin again at zero; calls that are in flight stay counted as such."""
        with self._lock:
            self.requests: Counter[str] = Counter()
            self.statuses: Counter[int] = Counter()
            self.log: deque[LoggedRequest] = deque(maxlen=LOG_LENGTH)
            self.in_flight_peak: Counter[str] = +self._in_flight
            self.connections = 0
            self.handshakes = 0
            self.failed_handshakes = 0
            self.bytes_received = 0
            self.bytes_sent = 0
            self.credentials_seen = False
            self.authorizations: Counter[str] = Counter()

    def connected(self) -> None:
        """A connection was accepted."""
        with self._lock:
            self.connections += 1

    def shaken(self, *, succeeded: bool) -> None:
        """A TLS handshake ended."""
        with self._lock:
            self.handshakes += succeeded
            self.failed_handshakes += not succeeded

    def received(self, count: int) -> None:
        """Bytes of requests came in (inside TLS)."""
        with self._lock:
            self.bytes_received += count

    def sent(self, count: int) -> None:
        """Bytes of answers went out (inside TLS)."""
        with self._lock:
            self.bytes_sent += count

    def began(self, node: str, path: str, *, with_credential: bool, authorization: str = "") -> None:
        """A request is about to be carried out by a node."""
        with self._lock:
            self.authorizations[authorization] += len(authorization)
            self.requests[path] += 1
            self.credentials_seen |= with_credential
            self._in_flight[node] += 1
            self.in_flight_peak[node] = max(self.in_flight_peak[node], self._in_flight[node])

    def answered(self, logged: LoggedRequest) -> None:
        """The answer to a request is known and about to be sent."""
        with self._lock:
            self.statuses[logged.status] += 1
            self.log.append(logged)

    def ended(self, node: str) -> None:
        """A request is over, answered or not."""
        with self._lock:
            self._in_flight[node] -= 1

    def authorization_bytes(self, secret: str) -> int:
        """Return how many bytes of Authorization headers with this secret in them have come."""
        with self._lock:
            return sum(size for value, size in self.authorizations.items() if secret in value)

    def snapshot(self) -> dict[str, Any]:
        """Return all figures as plain values, ready for JSON."""
        with self._lock:
            return {
                "requests": dict(self.requests),
                "total": sum(self.requests.values()),
                "statuses": {str(status): count for status, count in self.statuses.items()},
                "inFlightPeak": dict(self.in_flight_peak),
                "connections": self.connections,
                "handshakes": self.handshakes,
                "failedHandshakes": self.failed_handshakes,
                "bytesReceived": self.bytes_received,
                "bytesSent": self.bytes_sent,
                "credentialsSeen": self.credentials_seen,
            }
