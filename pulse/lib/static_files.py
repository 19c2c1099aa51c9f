"""Static files from memory, compressed once: WhiteNoise finds and checks them, and would stream each from the disk."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.utils.cache import patch_vary_headers
from whitenoise.middleware import WhiteNoiseMiddleware

from pulse.lib.gzipping import accepts_gzip, compress

#: Types that shrink, and the size from which it is worth it.
TEXT_TYPES = ("text/", "application/javascript", "application/json", "image/svg")
SMALLEST_BYTES = 1024
#: Larger ones, which the page of the API alone has, are compressed each time instead of kept.
LARGEST_KEPT_BYTES = 256 << 10


@lru_cache(maxsize=512)
def compressed(body: bytes) -> bytes:
    """Return a file as gzip; files are few and stay."""
    return compress(body)


class StaticFilesMiddleware(WhiteNoiseMiddleware):
    """Serves what lies under STATIC_URL, whole: files are small, and the server need not wrap them in a stream."""

    @staticmethod
    def serve(static_file: Any, request: HttpRequest) -> HttpResponse:  # type: ignore[override]
        """Return the file, a part of it, or 304, as WhiteNoise decides."""
        reply = static_file.get_response(request.method, request.META)
        body = b""
        if reply.file is not None:
            with reply.file:
                body = reply.file.read()
        response = HttpResponse(body, status=int(reply.status))
        del response["Content-Type"]
        for name, value in reply.headers:
            response[name] = value
        if response.status_code == 200 and response.get("Content-Type", "").startswith(TEXT_TYPES):
            patch_vary_headers(response, ("Accept-Encoding",))
            if len(body) >= SMALLEST_BYTES and accepts_gzip(request.headers.get("Accept-Encoding", "")):
                response.content = compress(body) if len(body) > LARGEST_KEPT_BYTES else compressed(body)
                response["Content-Encoding"] = "gzip"
                response["Content-Length"] = str(len(response.content))
                # A strong ETag names bytes: the compressed form is another representation.
                if "ETag" in response:
                    del response["ETag"]
        return response
