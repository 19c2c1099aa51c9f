"""Wrong tokens: how many different ones a client has shown lately.

The same wrong one counts once: a dashboard with a stale token, asking every second, guesses nothing. None is kept, only a
keyed digest of it.
"""

from __future__ import annotations

from django.core.cache import caches
from django.utils.crypto import salted_hmac

from pulse.lib import limits
from pulse.lib.auth import Limit

#: Different wrong tokens from one client: more than any misconfigured site needs, too few to guess by.
GUESSES = Limit("token-guess", 30, 60)
#: The same for what may be meant for a proxy: counted apart, so that its users lock nobody out.
PASSED_BY = Limit("token-passed-by", 30, 60)


def refusal_of(limit: Limit, client: str) -> limits.Verdict | None:
    """Return the refusal of a client that has shown too many, None while it may show more."""
    verdict = limits.look(limit, client)
    return None if verdict.is_allowed else verdict


def count(limit: Limit, client: str, text: str) -> limits.Verdict | None:
    """Count a wrong token unless this client has just shown it; the refusal when it is one too many."""
    refusal = refusal_of(limit, client)
    if refusal is None and caches["limits"].add(mark_of(limit, client, text), 1, limit.seconds):
        limits.hit(limit, client)
    return refusal


def mark_of(limit: Limit, client: str, text: str) -> str:
    """Return under which name it is kept that this client has shown the token."""
    digest = salted_hmac("accounts.guesses", f"{client} {text}", algorithm="sha256").hexdigest()
    return f"{limit.bucket}:{digest}"
