"""One request and its whole answer, within the budget and no larger than wanted."""

from __future__ import annotations

import functools
import http.client
import io
import socket
import zlib
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

from requests import PreparedRequest, Response
from requests.structures import CaseInsensitiveDict
from requests.utils import get_encoding_from_headers
from urllib3.connection import HTTPConnection
from urllib3.exceptions import HTTPError
from urllib3.response import HTTPResponse

from pulse.lib.outbound.budget import Budget
from pulse.lib.outbound.errors import Dropped, NotHttp, NotSendable, OutboundError, TooLarge, Unreachable
from pulse.lib.outbound.places import Place

#: Head, chunk marks and trailers, on top of the body.
HEAD_BYTES = 256 << 10
READ_BYTES = 64 << 10
BUFFER_BYTES = 16 << 10
#: Decompressed in steps, so that a small answer which unfolds to gigabytes stops early.
INFLATE_BYTES = 1 << 20
#: Enough of an error's body to find its message.
ERROR_BODY_BYTES = 64 << 10
GZIP_WINDOW_BITS = 31


class _BoundedReader(io.RawIOBase):
    """The bytes of one answer; each wait for more ends with the budget, and their number is limited.

    The limit also holds for what no body limit sees: interim answers, chunk marks and trailers.
    """

    def __init__(self, raw: io.RawIOBase, sock: socket.socket, budget: Budget, limit_bytes: int) -> None:
        self._raw = raw
        self._sock = sock
        self._budget = budget
        self._limit_bytes = limit_bytes
        self._received_bytes = 0

    def readable(self) -> bool:
        """Return True: this is how io.BufferedReader asks."""
        return True

    def readinto(self, buffer: Any) -> int | None:
        """Read what has arrived, or wait for it until the budget is used up."""
        self._sock.settimeout(self._budget.left_seconds())
        try:
            count: int = self._raw.readinto(buffer) or 0
        except TimeoutError:
            raise self._budget.passed() from None
        self._budget.received_bytes += count
        self._received_bytes += count
        if self._received_bytes > self._limit_bytes:
            raise TooLarge(f"{self._budget.place} sent more than {_spelled(self._limit_bytes)}")
        return count

    def close(self) -> None:
        """Close the socket's own reader too, which counts its users."""
        self._raw.close()
        super().close()


class _BoundedResponse(http.client.HTTPResponse):
    """An answer that is read through a _BoundedReader, from its first byte on."""

    def __init__(self, sock: Any, *args: Any, budget: Budget, limit_bytes: int, **options: Any) -> None:
        super().__init__(sock, *args, **options)
        reader = _BoundedReader(self.fp.detach(), sock, budget, limit_bytes)
        self.fp = io.BufferedReader(reader, BUFFER_BYTES)


def exchange(
    connection: HTTPConnection, request: PreparedRequest, budget: Budget, *, max_body_bytes: int
) -> Response:
    """Return the answer with its whole body; the connection stays open only when it can carry another one.

    Of anything but a success no more of the body is read than holds a message. Raises Dropped when the connection broke before the
    answer began, and other OutboundErrors; it is closed then.
    """
    is_reusable = False
    raw: HTTPResponse | None = None
    try:
        raw = _begin(connection, request, budget, max_body_bytes + HEAD_BYTES)
        is_success = 200 <= raw.status < 300
        body = _body(raw, budget.place, max_body_bytes) if is_success else _error_body(raw, budget.place)
        # What was refused may have been left unread, and must not be taken for the answer to the next request.
        is_reusable = is_success
    finally:
        if not is_reusable:
            if raw is not None:
                raw.close()
            connection.close()
    return _response(request, raw, body)


def _begin(
    connection: HTTPConnection, request: PreparedRequest, budget: Budget, limit_bytes: int
) -> HTTPResponse:
    """Send the request and return the answer with its head read.

    Errors are raised outside of the `except` blocks: the ones that they stand for may quote the request.
    """
    connection.timeout = budget.left_seconds()
    connection.response_class = functools.partial(  # type: ignore[assignment]  # a factory serves as well
        _BoundedResponse, budget=budget, limit_bytes=limit_bytes
    )
    failure: OutboundError
    try:
        _send(connection, request)
        return connection.getresponse()
    except TimeoutError:
        failure = budget.passed()
    except OSError:  # RemoteDisconnected and TLS failures are among them
        failure = Dropped(f"{budget.place} closed the connection without an answer")
    except (http.client.HTTPException, HTTPError, ValueError):
        failure = NotHttp(f"{budget.place} does not answer as an HTTP server")
    raise failure


def _send(connection: HTTPConnection, request: PreparedRequest) -> None:
    try:
        connection.request(
            request.method or "",
            request.path_url,
            body=request.body,
            headers={"Host": urlsplit(request.url or "").netloc.rpartition("@")[2], **request.headers},
            preload_content=False,
            decode_content=False,
        )
    except (http.client.HTTPException, ValueError):
        pass
    else:
        return
    raise NotSendable("The request cannot be put into HTTP")


def _error_body(raw: HTTPResponse, place: Place) -> bytes:
    try:
        return _body(raw, place, ERROR_BODY_BYTES)
    except OutboundError:
        return b""  # the status line says enough


def _body(raw: HTTPResponse, place: Place, limit_bytes: int) -> bytes:
    """Return the decoded body; TooLarge as soon as it grows beyond the limit, on the wire or unfolded."""
    coding = raw.headers.get("Content-Encoding", "identity").strip().lower()
    if coding not in ("identity", "gzip", ""):
        raise NotHttp(f"{place} encodes its answer in a way that was not asked for")
    inflater = zlib.decompressobj(GZIP_WINDOW_BITS) if coding == "gzip" else None
    pieces: list[bytes] = []
    length = 0
    try:
        for piece in raw.stream(READ_BYTES, decode_content=False):
            for part in (piece,) if inflater is None else _inflated(inflater, piece):
                pieces.append(part)
                length += len(part)
                if length > limit_bytes:
                    raise TooLarge(f"{place} sent an answer of more than {_spelled(limit_bytes)}")
    except zlib.error:
        raise NotHttp(f"{place} sent an answer that cannot be decompressed") from None
    except (HTTPError, http.client.HTTPException, OSError, ValueError):
        raise Unreachable(f"The connection to {place} broke in the middle of an answer") from None
    if inflater is not None and not inflater.eof:
        raise Unreachable(f"The connection to {place} broke in the middle of an answer")
    return b"".join(pieces)


def _inflated(inflater: Any, piece: bytes) -> Iterator[bytes]:
    """Yield what a piece unfolds to, step by step."""
    while piece and not inflater.eof:
        yield inflater.decompress(piece, INFLATE_BYTES)
        piece = inflater.unconsumed_tail


def _spelled(size_bytes: int) -> str:
    return f"{size_bytes >> 20} MiB" if size_bytes >= 1 << 20 else f"{size_bytes} bytes"


def _response(request: PreparedRequest, raw: HTTPResponse, body: bytes) -> Response:
    """Return the answer as requests has it; it is read already, so the connection is not part of it.

    The adapter of requests would have it read the body once more, and copy cookies that are never sent.
    """
    response = Response()
    response.request = request
    response.url = request.url or ""
    response.status_code = raw.status
    response.reason = raw.reason or ""
    response.headers = CaseInsensitiveDict(raw.headers)
    response.encoding = get_encoding_from_headers(response.headers)
    response._content = body
    response._content_consumed = True  # type: ignore[attr-defined]
    return response
