"""Where a server listens."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import urlsplit


@dataclass(frozen=True, slots=True)
class Place:
    """One port of one host; `host` is a name or an address without brackets."""

    scheme: str
    host: str
    port: int

    @property
    def bracketed_host(self) -> str:
        """The host as it stands in a URL."""
        return f"[{self.host}]" if ":" in self.host else self.host

    def __str__(self) -> str:
        return f"{self.bracketed_host}:{self.port}"


def place_of(url: str) -> Place:
    """Return where a URL leads."""
    parts = urlsplit(url)
    port = parts.port or (443 if parts.scheme == "https" else 80)
    return Place(scheme=parts.scheme, host=parts.hostname or "", port=port)
