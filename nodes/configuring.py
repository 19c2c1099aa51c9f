"""What a draft makes of an instance, in memory: address, trust, flags and credential. Nothing is stored, nobody is asked."""

from __future__ import annotations

from copy import copy

from django.conf import settings

from nodes import clusters, reach
from nodes.choices import InstanceKind
from nodes.clusters import HostFacts
from nodes.drafts import (
    DECIDED,
    WIRE_NAMES,
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
from pulse.lib.outbound.places import place_of

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
    refuse_address(draft.host)
    new_credential(draft)
    return draft


def refuse_address(url: str) -> None:
    """Raise NotValid for an address that no host may be called at."""
    if refusal := reach.refusal_of(url):
        raise NotValid("host", refusal)


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

    Returns the credential, whose secrets are not in the row yet; None when nothing of it was said. Raises NotValid, also when
    a stored secret would go where nobody has sent it.
    """
    before = copy(instance)
    credential = changed_credential(draft, held_by(instance))
    if credential is not None:
        instance.user, instance.token_id = credential.user, credential.token_id
        if credential.password is not None:
            instance.sealed_password = ""
        if credential.token_value is not None:
            instance.sealed_token = ""
    if draft.host:
        instance.host = draft.host
    store_trust(instance, draft, is_new=False)
    if has_moved(before, instance):
        refuse_address(instance.host)
        forget_pins(instance)
    for flag, is_on in draft.flags.items():
        setattr(instance, flag, is_on)
    refuse_to_send_stored(before, instance, draft, credential)
    return credential


def refuse_to_send_stored(
    before: Instance, after: Instance, draft: Checked, credential: Credential | None
) -> None:
    """Raise NotValid when the stored secret would go to another address, or to whoever answers with another certificate.

    It was given for one host. Source: README.md decision 9 of the contract.
    """
    field = kept_secret(before, credential)
    if not field:
        return
    name = WIRE_NAMES[field]
    if has_moved(before, after):
        raise NotValid(
            field,
            f"{name} is required again: the host, its scheme or its port changes, and the stored secret was given for {before.host}",
        )
    if loosens_trust(before, after, draft):
        raise NotValid(
            field,
            f"{name} is required again: the certificate that the stored secret was given for no longer decides",
        )


def kept_secret(before: Instance, credential: Credential | None) -> str:
    """Return the name of the stored secret that is still used after a change, "" when none is."""
    if before.sealed_token and (credential is None or credential.token_value is None):
        return "token_value"
    if before.sealed_password and (credential is None or credential.password is None):
        return "password"
    return ""


def has_moved(before: Instance, after: Instance) -> bool:
    """Return whether scheme, host or port differ; two spellings of one address do not."""
    return place_of(before.host) != place_of(after.host)


def loosens_trust(before: Instance, after: Instance, draft: Checked) -> bool:
    """Return whether somebody is let in now whom the former check would have kept out.

    A pin that was only learned may give way to the authorities: they vouch for the name of the host, and it comes back when
    their check ends. One that somebody takes away does not.
    """
    if before.fingerprint:
        is_taken_away = draft.fingerprint is not None and draft.fingerprint != before.fingerprint
        return is_taken_away or (after.fingerprint != before.fingerprint and not is_by_authorities(after))
    if not is_by_authorities(before):
        return False
    return not is_by_authorities(after) and after.fingerprint != (before.former_fingerprint or None)


def is_by_authorities(instance: Instance) -> bool:
    """Return whether the authorities of this machine decide about the certificate."""
    return instance.verify_tls and not instance.fingerprint


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

    A learned pin that a form sends back unchanged stays a learned one. While the CAs decide it is kept aside, and comes back
    when they no longer do; without one the next certificate is learned. Source: security.md A33 and A34.
    """
    pinned, was_verified = instance.fingerprint, is_by_authorities(instance)
    if draft.verify_tls is not None:
        instance.verify_tls = draft.verify_tls
    if is_new:
        instance.fingerprint = draft.fingerprint or ""
    elif draft.fingerprint is not None and draft.fingerprint != instance.fingerprint:
        instance.fingerprint = draft.fingerprint
        instance.is_fingerprint_learned = False
    if instance.fingerprint:
        instance.former_fingerprint = ""
    if instance.is_fingerprint_learned and instance.verify_tls:
        instance.former_fingerprint, instance.fingerprint = instance.fingerprint, ""
        instance.is_fingerprint_learned = False
    elif not instance.fingerprint and not instance.verify_tls and (is_new or was_verified):
        instance.fingerprint, instance.former_fingerprint = instance.former_fingerprint, ""
        instance.is_fingerprint_learned = bool(instance.fingerprint) or settings.PULSE_TLS_AUTOPIN
    if instance.is_fingerprint_learned and instance.host.startswith("http://"):
        instance.fingerprint, instance.is_fingerprint_learned = "", False
    if instance.fingerprint != pinned:
        forget_authority(instance)


def forget_pins(instance: Instance) -> None:
    """Let another host be learned as a new one is, unless somebody has confirmed a certificate; the row is not saved."""
    forget_authority(instance)
    instance.former_fingerprint = ""
    if instance.is_fingerprint_learned or not instance.fingerprint:
        instance.fingerprint = ""
        is_learning = not instance.verify_tls and instance.host.startswith("https://")
        instance.is_fingerprint_learned = is_learning and settings.PULSE_TLS_AUTOPIN


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
