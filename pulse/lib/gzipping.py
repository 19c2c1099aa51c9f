"""gzip with the fastest useful effort, and whether a client takes it."""

from __future__ import annotations

try:
    from isal import igzip

    def compress(data: bytes) -> bytes:
        """Return the data as one gzip member."""
        return igzip.compress(data, compresslevel=1)

except ImportError:  # no wheel for this machine
    import gzip

    def compress(data: bytes) -> bytes:
        """Return the data as one gzip member."""
        return gzip.compress(data, compresslevel=1, mtime=0)


def accepts_gzip(header: str) -> bool:
    """Return whether an Accept-Encoding header takes gzip; `gzip;q=0` refuses it."""
    for part in header.lower().split(","):
        name, _, quality = part.partition(";")
        if name.strip() in ("gzip", "*"):
            return quality.replace(" ", "") not in ("q=0", "q=0.0", "q=0.00", "q=0.000")
    return False
