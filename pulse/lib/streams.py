"""JSON answers that are made piece by piece: short ones are sent whole, long ones while they are made."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import chain

from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.http.response import HttpResponseBase
from django.utils.cache import patch_vary_headers

from pulse.lib.gzipping import accepts_gzip, compress, compressed_pieces

#: What is handed on at once, as the server does with long answers.
PIECE_BYTES = 256 << 10
#: An answer up to this length is sent whole: its client may take its time, and nobody waits for it.
WHOLE_BYTES = 1 << 20
#: From here on it is worth it to compress.
SMALLEST_BYTES = 1024


def json_answer(request: HttpRequest, texts: Iterable[str]) -> HttpResponseBase:
    """Return an answer of these texts, one after the other, compressed for whoever accepts gzip.

    Of a long one the rest is made when the client has taken what was made before.
    """
    rest = pieces_of(texts)
    held: list[bytes] = []
    size = 0
    for piece in rest:
        held.append(piece)
        size += len(piece)
        if size > WHOLE_BYTES:
            return streamed_answer(request, chain(held, rest))
    return whole_answer(request, b"".join(held), "application/json")


def streamed_answer(request: HttpRequest, pieces: Iterable[bytes]) -> StreamingHttpResponse:
    """Return an answer whose pieces are made as they are sent."""
    is_compressed = accepts_gzip(request.headers.get("Accept-Encoding", ""))
    response = StreamingHttpResponse(
        compressed_pieces(pieces) if is_compressed else pieces, content_type="application/json"
    )
    note_coding(response, is_compressed=is_compressed)
    return response


def whole_answer(request: HttpRequest, body: bytes, content_type: str) -> HttpResponse:
    """Return an answer, compressed for whoever accepts gzip where it is worth it."""
    is_compressed = len(body) >= SMALLEST_BYTES and accepts_gzip(request.headers.get("Accept-Encoding", ""))
    response = HttpResponse(compress(body) if is_compressed else body, content_type=content_type)
    note_coding(response, is_compressed=is_compressed)
    return response


def note_coding(response: HttpResponseBase, *, is_compressed: bool) -> None:
    """Say in which form an answer is, and that others would get another."""
    if is_compressed:
        response.headers["Content-Encoding"] = "gzip"
    patch_vary_headers(response, ("Accept-Encoding",))


def pieces_of(texts: Iterable[str]) -> Iterator[bytes]:
    """Yield the texts as bytes, gathered into pieces of some size."""
    gathered: list[bytes] = []
    size = 0
    for text in texts:
        gathered.append(text.encode())
        size += len(gathered[-1])
        if size >= PIECE_BYTES:
            yield b"".join(gathered)
            gathered, size = [], 0
    if gathered:
        yield b"".join(gathered)
