"""What the log says of refusals: one line for each client and kind in a while, however often it is refused.

Somebody without a credential is refused all day long, and no line: that is what the door is for. A line is for who shows a
wrong token, wants more than they may, comes too often or by another site, or sends what no client of ours would.
"""

from __future__ import annotations

import logging

from django.core.cache import caches

from pulse.lib import limits
from pulse.lib.auth import Limit
from pulse.lib.clients import limit_key
from pulse.lib.errors import ApiError

logger = logging.getLogger(__name__)

SPAN_SECONDS = 900
#: Of all clients together: who has many addresses must not fill the disk either.
LINES = Limit("refusal-lines", 60, 60)
TOLD = frozenset({400, 403, 404, 413, 429})
MAX_PATH_CHARS = 200


def note(refusal: ApiError, *, method: str, path: str, address: str) -> None:
    """Log a refusal of the door, unless it is an ordinary one, or one of its kind was logged of this client lately."""
    if refusal.status in TOLD:
        kind = refusal.code or str(refusal.status)
        tell(kind, address, f"{method} {path[:MAX_PATH_CHARS]} was refused: {refusal.message}")


def tell(kind: str, address: str, text: str) -> None:
    """Log a sentence about a client, once for each kind and client in SPAN_SECONDS."""
    if not caches["limits"].add(f"refusal-line:{kind}:{limit_key(address)}", 1, SPAN_SECONDS):
        return
    if limits.hit(LINES, "all").is_allowed:
        logger.warning("%s", text)
