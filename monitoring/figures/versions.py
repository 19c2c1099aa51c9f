"""Versions of Proxmox products as numbers; pure."""

from __future__ import annotations

from functools import lru_cache


@lru_cache(maxsize=256)
def numbers_of(version: str) -> tuple[int, ...]:
    """Return `8.4-1` as (8, 4, 1), () for what is no version; kept, because it is asked for every guest."""
    parts = version.replace("-", ".").split(".")[:3]
    return tuple(int(part) for part in parts if part.isascii() and part.isdigit())
