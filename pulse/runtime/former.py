"""An empty database beside the keys of a former one: told, instead of taken for a fresh installation in silence."""

from __future__ import annotations

import logging

from django.utils import timezone

from accounts import fresh
from accounts.models import LoopbackEnd
from pulse.lib.crypto import key_path
from pulse.lib.keys import read_key_file

logger = logging.getLogger(__name__)


def look(*, is_new_database: bool) -> None:
    """Tell of the keys of a former database, and serve nobody without a credential; called before new keys are made.

    Every database that was ever used has left its key file; whoever had an account or a token in it expects a sign-in.
    """
    if not is_new_database or read_key_file(key_path()) is None:
        return
    logger.warning(
        "the database is new, but %s is the key of a former one: if its database was lost, restore it from a backup; "
        "to begin anew, claim Pulse at /setup, or delete the key files as well",
        key_path(),
    )
    fresh.end(LoopbackEnd.Cause.FORMER, "", at=timezone.now())
