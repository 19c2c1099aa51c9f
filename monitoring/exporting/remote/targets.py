"""The verbs that change a target: add, change, remove. API and admin both come here.

A stored secret was given for one address and one way to trust it: who changes either gives it again, so that nobody who may change
settings can have it sent to a server of theirs.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from copy import copy
from datetime import datetime

from django.db import IntegrityError, transaction

from monitoring.choices import RemoteLogin
from monitoring.exporting.remote.drafts import Draft, checked
from monitoring.models import RemoteWriteCursor, RemoteWriteTarget
from nodes import reach
from nodes.drafts import NotValid
from pulse.lib.crypto import seal

logger = logging.getLogger(__name__)

#: Each is asked for all samples of all instances.
MOST_TARGETS = 8
#: What a draft puts on the row as it is.
PLAIN = (
    "name", "url", "is_enabled", "user", "tenant", "extra_labels", "step_seconds", "verify_tls", "fingerprint",
)  # fmt: skip
#: An edit writes what a person decides, and never what sending observes.
CONFIGURED = (*PLAIN, "login", "sealed_password", "sealed_token", "version")
#: What is known of an engine that was never asked.
NEVER_ASKED: Mapping[str, object] = {
    "last_success_at": None,
    "failing_since": None,
    "failure_message": "",
    "failures": 0,
    "next_try_at": None,
}
#: Nobody decides about the certificate.
UNCHECKED = ""


class UnknownTarget(Exception):
    """The target is not there, or not there any more."""


def apply(draft: Draft, target: RemoteWriteTarget) -> None:
    """Put a checked draft on the row in memory, and seal what it holds; raises NotValid.

    Only one secret is kept, that of the login in use.
    """
    before = copy(target)
    for name in PLAIN:
        value = getattr(draft, name)
        if value is not None:
            setattr(target, name, value)
    target.login = login_of(draft, target)
    if target.url != before.url and (refusal := reach.refusal_of(target.url)):
        raise NotValid("url", refusal)
    if target.fingerprint and not target.url.startswith("https:"):
        raise NotValid("fingerprint", "fingerprint needs an address with https")
    refuse_to_send_stored(before, target, draft)
    if target.login != RemoteLogin.BASIC:
        target.user = target.sealed_password = ""
    if target.login != RemoteLogin.BEARER:
        target.sealed_token = ""
    if draft.password:
        target.sealed_password = seal(draft.password, place=target.password_place)
    if draft.token:
        target.sealed_token = seal(draft.token, place=target.token_place)
    refuse_half_a_login(target)


def login_of(draft: Draft, target: RemoteWriteTarget) -> str:
    """Return the login after a change: the one that was named, or whose secret was given, or the one before."""
    if draft.token:
        given = RemoteLogin.BEARER
    elif draft.password:
        given = RemoteLogin.BASIC
    else:
        return draft.login or target.login
    if draft.login not in (None, given):
        raise NotValid("login", f"login is {draft.login}, and the secret is one for {given.value}")
    return given


def refuse_half_a_login(target: RemoteWriteTarget) -> None:
    """Raise NotValid when what the login needs is missing."""
    if target.login == RemoteLogin.BASIC and not target.user:
        raise NotValid("user", "user is required for login basic")
    if target.login == RemoteLogin.BASIC and not target.sealed_password:
        raise NotValid("password", "password is required for login basic")
    if target.login == RemoteLogin.BEARER and not target.sealed_token:
        raise NotValid("token", "token is required for login bearer")


def refuse_to_send_stored(before: RemoteWriteTarget, after: RemoteWriteTarget, draft: Draft) -> None:
    """Raise NotValid when the stored secret would go to another address, or to whoever shows another certificate."""
    if after.login != before.login or draft.password or draft.token:
        return
    field = {RemoteLogin.BASIC: "password", RemoteLogin.BEARER: "token"}.get(RemoteLogin(after.login), "")
    if not field:
        return
    if after.url != before.url:
        raise NotValid(
            field,
            f"{field} is required again: the url changes, and the stored one was given for {before.url}",
        )
    if trust_of(before) not in (trust_of(after), UNCHECKED):
        raise NotValid(
            field,
            f"{field} is required again: the certificate that the stored one was given for no longer decides",
        )


def trust_of(target: RemoteWriteTarget) -> str:
    """Return who decides about the certificate: a pin, the authorities, or nobody."""
    if not target.url.startswith("https:"):
        return UNCHECKED
    return target.fingerprint or ("authorities" if target.verify_tls else UNCHECKED)


def proposed(draft: Draft) -> RemoteWriteTarget:
    """Return the target that a draft asks for, not saved; raises NotValid."""
    if not draft.name:
        raise NotValid("name", "name is required")
    if not draft.url:
        raise NotValid("url", "url is required")
    target = RemoteWriteTarget()
    apply(checked(draft), target)
    return target


def add(draft: Draft, *, at: datetime) -> RemoteWriteTarget:
    """Add a target, which gets what is sampled from now on; raises NotValid. The engine need not answer."""
    target = proposed(draft)
    target.created_at = at
    with transaction.atomic():
        refuse_taken_name(target)
        if RemoteWriteTarget.objects.count() >= MOST_TARGETS:
            raise NotValid("name", f"there are {MOST_TARGETS} targets already, and no more are served")
        save(target, force_insert=True)
    logger.info("Samples are written to %s from now on", target)
    return target


def change(pk: int, draft: Draft) -> RemoteWriteTarget:
    """Change what the draft says and leave everything else; raises UnknownTarget and NotValid, and nothing is changed then."""
    draft = checked(draft)
    with transaction.atomic():
        target = RemoteWriteTarget.objects.select_for_update().filter(pk=pk).first()
        if target is None:
            raise UnknownTarget
        url_before = target.url
        apply(draft, target)
        refuse_taken_name(target)
        target.version += 1
        observed = NEVER_ASKED if target.url != url_before else {"next_try_at": None}
        for name, value in observed.items():
            setattr(target, name, value)
        save(target, update_fields=(*CONFIGURED, *observed))
        if not target.is_enabled:
            # What is sampled while it is off is not sent afterwards.
            RemoteWriteCursor.objects.filter(target=target).delete()
    return target


def remove(pk: int) -> None:
    """Delete a target with its secrets; raises UnknownTarget."""
    target = RemoteWriteTarget.objects.filter(pk=pk).first()
    if target is None:
        raise UnknownTarget
    target.delete()
    logger.info("Samples are not written to %s any more", target)


def save(target: RemoteWriteTarget, **options: object) -> None:
    """Save a target; NotValid when another one took its name in the same moment."""
    try:
        with transaction.atomic():
            target.save(**options)  # type: ignore[arg-type]
    except IntegrityError:
        raise NotValid("name", "name is taken") from None


def refuse_taken_name(target: RemoteWriteTarget) -> None:
    """Refuse two targets of one name."""
    if RemoteWriteTarget.objects.filter(name=target.name).exclude(pk=target.pk).exists():
        raise NotValid("name", "name is taken")
