"""Claim a fresh installation: a one-time code, kept in the data directory, makes the first account, once.

Source: README.md decision 1 of the contract; security.md A2 and A.3.
"""

from __future__ import annotations

import hmac
import logging
import secrets
from datetime import datetime
from pathlib import Path

from django.conf import settings
from django.contrib.auth.models import User
from django.db import IntegrityError, transaction

from accounts.models import Claim
from pulse.env import EnvError
from pulse.lib.keys import ensure_key_file, read_key_file

logger = logging.getLogger(__name__)

CODE_BYTES = 24


class ClaimError(Exception):
    """The installation is not claimed by this request; the text is for people."""


class AlreadyClaimed(ClaimError):
    """Somebody was first."""


class NameTaken(ClaimError):
    """The account cannot have this name."""


def code_path() -> Path:
    """Return where the code is kept."""
    return Path(settings.PULSE_DATA_DIR) / "claim.code"


def is_claimed() -> bool:
    """Return whether the first account has been made; never false again, whatever becomes of the account."""
    return Claim.objects.exists() or User.objects.exists()


def ensure_code() -> bool:
    """Make the code (192 bit, mode 0600) while the installation can be claimed, remove it when it cannot.

    Returns whether there is a code now. Nothing of it is told; only `pulse claim-code` prints it.
    Raises EnvError when the data directory cannot be written.
    """
    if is_claimed():
        code_path().unlink(missing_ok=True)
        return False
    ensure_key_file(code_path(), lambda: secrets.token_urlsafe(CODE_BYTES))
    return True


def read_code() -> str | None:
    """Return the code; None when there is none, or when others could have read it."""
    try:
        return read_key_file(code_path())
    except EnvError:
        logger.error("the file of the one-time code is open to others and therefore worthless; delete it")
        return None


def is_code(text: str) -> bool:
    """Return whether the text is the code."""
    code = read_code()
    return hmac.compare_digest((code or "").encode(), text.strip().encode()) and bool(code)


def claim(*, username: str, password: str, at: datetime) -> User:
    """Make the first account, a superuser, and use up the code; the proof has been checked.

    Of two at the same moment one succeeds: the claim is one row. Raises AlreadyClaimed, NameTaken.
    """
    if is_claimed():
        raise AlreadyClaimed("this installation has just been claimed by somebody else")
    try:
        with transaction.atomic():
            try:
                with transaction.atomic():
                    Claim.objects.create(claimed_at=at)
            except IntegrityError:
                raise AlreadyClaimed("this installation has just been claimed by somebody else") from None
            user = User.objects.create_superuser(username=username, password=password)
    except IntegrityError:
        raise NameTaken("an account with this name exists") from None
    code_path().unlink(missing_ok=True)
    logger.info("the installation is claimed; the first account is %s", user.get_username())
    return user
