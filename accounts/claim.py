"""Claim a fresh installation: a one-time code in the data directory makes the first account, once."""

from __future__ import annotations

import hmac
import os
import secrets
from pathlib import Path

from django.conf import settings
from django.contrib.auth.models import User
from django.db import IntegrityError, transaction

from accounts.credentials import is_configured
from pulse.lib.keys import ensure_key_file, read_key_file


class ClaimRefused(Exception):
    """The code is wrong, or somebody was first."""


def code_path() -> Path:
    """Return where the code is kept, with mode 0600; never logged with its content."""
    return Path(settings.PULSE_DATA_DIR) / "claim.code"


def is_open() -> bool:
    """Return whether the installation can still be claimed: nothing that demands a credential exists."""
    return not is_configured()


def ensure_code() -> str | None:
    """Return the one-time code (192 bit), made on first use; None when there is nothing to claim."""
    if not is_open():
        code_path().unlink(missing_ok=True)
        return None
    return ensure_key_file(code_path(), lambda: secrets.token_urlsafe(24))


def claim(*, code: str, username: str, password: str) -> User:
    """Make the first account, a superuser, and use up the code.

    Raises ClaimRefused for a wrong code and for whoever comes second: the code's file is moved away by exactly
    one of two that come together.
    """
    expected = read_key_file(code_path())
    if not is_open() or expected is None or not hmac.compare_digest(expected.encode(), code.strip().encode()):
        raise ClaimRefused("this code is not valid")
    used = code_path().with_name(f".claim.{secrets.token_hex(4)}")
    try:
        os.rename(code_path(), used)
    except FileNotFoundError:
        raise ClaimRefused("somebody else has just claimed this installation") from None
    try:
        with transaction.atomic():
            user = User.objects.create_superuser(username=username, password=password)
    except IntegrityError:
        os.rename(used, code_path())
        raise ClaimRefused("an account with this name exists") from None
    except BaseException:
        os.rename(used, code_path())
        raise
    used.unlink(missing_ok=True)
    is_configured.forget()
    return user
