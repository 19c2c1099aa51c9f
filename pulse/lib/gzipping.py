"""gzip with the fastest useful effort, and whether a client takes it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

#: A window of 32 KiB, and the frame of gzip around it (zlib's `wbits`).
GZIP_BITS = 31

try:
    from isal import igzip, isal_zlib

    def compress(data: bytes) -> bytes:
        """Return the data as one gzip member."""
        return igzip.compress(data, compresslevel=1)

    def compressed_pieces(pieces: Iterable[bytes]) -> Iterator[bytes]:
        """Yield one gzip member of all these pieces, part by part."""
        writer = isal_zlib.compressobj(1, wbits=GZIP_BITS)
        for piece in pieces:
            if part := writer.compress(piece):
                yield part
        yield writer.flush()

except ImportError:  # no wheel for this machine
    import gzip
    import zlib

    def compress(data: bytes) -> bytes:
        """Return the data as one gzip member."""
        return gzip.compress(data, compresslevel=1, mtime=0)

    def compressed_pieces(pieces: Iterable[bytes]) -> Iterator[bytes]:
        """Yield one gzip member of all these pieces, part by part."""
        writer = zlib.compressobj(1, wbits=GZIP_BITS)
        for piece in pieces:
            if part := writer.compress(piece):
                yield part
        yield writer.flush()


def accepts_gzip(header: str) -> bool:
    """Return whether an Accept-Encoding header takes gzip; `gzip;q=0` refuses it."""
    for part in header.lower().split(","):
        name, _, quality = part.partition(";")
        if name.strip() in ("gzip", "*"):
            return quality.replace(" ", "") not in ("q=0", "q=0.0", "q=0.00", "q=0.000")
    return False
