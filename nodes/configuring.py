"""What a draft makes of an instance, in memory: address, trust, flags and credential. Nothing is stored, nobody is asked."""

from __future__ import annotations

from django.conf import settings

from nodes import clusters
from nodes.choices import InstanceKind
from nodes.clusters import HostFacts
from nodes.drafts import (
    DECIDED,
    Checked,
    Credential,
    Draft,
    Held,
    NotValid,
    changed_credential,
    checked,
    new_credential,
)
from nodes.fields import Flag
from nodes.models import Instance
from nodes.proxmox.client import Target
from pulse.lib.crypto import seal

#: A change of one of these is a reason to ask the host again what it is.
CONNECTION_FIELDS = (
    *(
        column.name
        for column in DECIDED
        if not isinstance(column, Flag) and column.name not in ("kind", "name")
    ),
    "is_fingerprint_learned",
)


def proposed(draft: Draft) -> Checked:
    """Return the checked draft of a new instance; NotValid names the first thing that is wrong.

    Order: host, type, the other fields, credentials (http-api.md 5.4).
    """
    if not draft.host.strip():
        raise NotValid("host", "host is required")
    draft = checked(draft)
    new_credential(draft)
    return draft


def described(draft: Checked) -> tuple[Instance, Credential]:
    """Return the instance that a draft asks for, not saved and without its credential, and that credential."""
    instance = Instance(kind=draft.kind, host=draft.host)
    store_trust(instance, draft, is_new=True)
    for flag, is_on in draft.flags.items():
        setattr(instance, flag, is_on)
    return instance, new_credential(draft)


def target_of(draft: Draft) -> Target:
    """Return how the host that a draft asks for would be called; nothing is sealed or stored. Raises NotValid."""
    return clusters.target_with(*described(proposed(draft)))


def apply(draft: Checked, instance: Instance) -> Credential | None:
    """Put what the draft says on the row in memory: address, trust, flags, and as whom to log in; the name comes later.

    Returns the credential, whose secrets are not in the row yet; None when nothing of it was said.
    """
    credential = changed_credential(draft, held_by(instance))
    if credential is not None:
        instance.user, instance.token_id = credential.user, credential.token_id
        if credential.password is not None:
            instance.sealed_password = ""
        if credential.token_value is not None:
            instance.sealed_token = ""
    host_before = instance.host
    if draft.host:
        instance.host = draft.host
    store_trust(instance, draft, is_new=False)
    if instance.host != host_before:
        forget_authority(instance)
        if instance.is_fingerprint_learned:
            instance.fingerprint = ""
    for flag, is_on in draft.flags.items():
        setattr(instance, flag, is_on)
    return credential


def held_by(instance: Instance) -> Held:
    """Return which credential an instance has."""
    return Held(
        user=instance.user,
        has_password=instance.has_password,
        token_id=instance.token_id,
        has_token=instance.has_token,
    )


def seal_credential(instance: Instance, credential: Credential | None) -> None:
    """Seal the credential into the row in memory; an unchanged secret is not sealed anew."""
    if credential is None:
        return
    instance.user = credential.user
    instance.token_id = credential.token_id
    if credential.password is not None:
        instance.sealed_password = seal(credential.password, place=instance.password_place)
    if credential.token_value is not None:
        instance.sealed_token = seal(credential.token_value, place=instance.token_place)


def store_trust(instance: Instance, draft: Draft, *, is_new: bool) -> None:
    """Set how the host's certificate is judged: pinned as confirmed, by the CAs, or pinned when first seen.

    A learned pin that a form sends back unchanged stays a learned one. Source: security.md A33 and A34.
    """
    pinned = instance.fingerprint
    if draft.verify_tls is not None:
        instance.verify_tls = draft.verify_tls
    if is_new:
        instance.fingerprint = draft.fingerprint or ""
        instance.is_fingerprint_learned = settings.PULSE_TLS_AUTOPIN and not instance.fingerprint
    elif draft.fingerprint is not None and draft.fingerprint != instance.fingerprint:
        instance.fingerprint = draft.fingerprint
        instance.is_fingerprint_learned = False
    if instance.is_fingerprint_learned and instance.verify_tls:
        instance.fingerprint = ""
        instance.is_fingerprint_learned = False
    if instance.host.startswith("http://"):
        instance.is_fingerprint_learned = False
    if instance.fingerprint != pinned:
        forget_authority(instance)


def forget_authority(instance: Instance) -> None:
    """Let nobody renew the pinned certificate until it was seen again who has signed it; the row is not saved."""
    instance.authority = ""
    instance.certificate_renewed_at = None


def needs_look(before: Instance, after: Instance, credential: Credential | None) -> bool:
    """Return whether a change touches how the host is reached, so that it may tell something else now."""
    is_secret_new = credential is not None and bool(credential.password or credential.token_value)
    if not is_secret_new and all(getattr(before, name) == getattr(after, name) for name in CONNECTION_FIELDS):
        return False
    return after.kind == InstanceKind.PVE or after.is_fingerprint_learned


def learn(instance: Instance, facts: HostFacts | None) -> None:
    """Pin the certificate that was seen first, where nobody confirmed one; the row is not saved."""
    if facts is not None and instance.is_fingerprint_learned and not instance.fingerprint:
        instance.fingerprint = facts.fingerprint
