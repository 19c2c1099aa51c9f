"""What is wrong with the account by which an instance is asked; pure."""

from __future__ import annotations

from collections.abc import Iterator

from monitoring.concerns.shapes import CRITICAL, DAY_SECONDS, WARNING, Concern, days_left
from monitoring.known.facts import CredentialFacts

EXPIRY_DAYS = 14


def credential(known: CredentialFacts | None, read_epoch: float, *, at_epoch: float) -> Iterator[Concern]:
    """Yield an account or token that expires soon: from then on the host refuses everything that Pulse asks."""
    if known is None or known.expires_epoch is None:
        return
    what = "The API token of Pulse" if known.is_token else "The account of Pulse"
    if known.expires_epoch <= at_epoch:
        yield Concern("credential_expired", CRITICAL, "", f"{what} has expired", read_epoch)
    elif known.expires_epoch < at_epoch + EXPIRY_DAYS * DAY_SECONDS:
        when = days_left(known.expires_epoch, at_epoch)
        text = f"{what} expires {when}: nothing can be read here after that"
        yield Concern("credential_expires", WARNING, "", text, read_epoch)
