"""The verbs that change an instance: add, change, remove, pause, resume. API, admin and commands all come here.

What must be asked of the host is asked first; then one short transaction stores everything or nothing, and the
browsers are told when it has committed. A poll follows at the next tick.
"""

from __future__ import annotations

from collections.abc import Callable
from copy import copy
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from functools import wraps
from typing import ParamSpec, TypeVar
from urllib.parse import urlsplit

from django.conf import settings
from django.db import IntegrityError, transaction

from nodes import clusters
from nodes.addresses import default_name
from nodes.choices import InstanceKind
from nodes.clusters import Finding
from nodes.drafts import (
    DECIDED,
    NAME_LIMIT,
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
from nodes.models import Instance, InstanceCounter
from nodes.proxmox.client import Target
from pulse.lib import feed
from pulse.lib.crypto import seal
from pulse.lib.outbound.places import place_of

#: How often a verb begins anew when somebody else stored the same name, number or host in the same moment.
ATTEMPTS = 4

#: An edit writes what a person decides and what follows from it, never what polling observes.
CONFIGURED_FIELDS = (
    *(column.name for column in DECIDED if column.name != "kind"),
    "is_fingerprint_learned",
    "is_paused",
    "is_cluster",
    "cluster_name",
    "version",
    "next_poll_at",
    "changed_at",
)

#: A change of one of these is a reason to ask the host again what it is.
CONNECTION_FIELDS = (
    *(
        column.name
        for column in DECIDED
        if not isinstance(column, Flag) and column.name not in ("kind", "name")
    ),
    "is_fingerprint_learned",
)

Arguments = ParamSpec("Arguments")
Result = TypeVar("Result")


class UnknownInstance(Exception):
    """The instance is not there, or not there any more."""


class Outcome(StrEnum):
    """What adding an instance came to."""

    ADDED = "added"
    UPDATED = "updated"  # the host was configured already
    MERGED = "merged"  # the host belongs to a cluster that is configured already


@dataclass(frozen=True, slots=True)
class Added:
    """The instance that now watches the host, and how it came to that."""

    instance: Instance
    outcome: Outcome


def again_after(
    *clashes: type[Exception],
) -> Callable[[Callable[Arguments, Result]], Callable[Arguments, Result]]:
    """Return a decorator: the verb is begun anew after an error that says somebody else was faster."""

    def decorate(verb: Callable[Arguments, Result]) -> Callable[Arguments, Result]:
        @wraps(verb)
        def attempt(*args: Arguments.args, **kwargs: Arguments.kwargs) -> Result:
            for _ in range(ATTEMPTS - 1):
                try:
                    return verb(*args, **kwargs)
                except clashes:
                    continue
            return verb(*args, **kwargs)

        return attempt

    return decorate


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


def add(draft: Draft, *, at: datetime) -> Added:
    """Make the host watched: as a new instance, by updating the one it already is, or as part of its cluster.

    The host need not answer. Raises NotValid.
    """
    draft = proposed(draft)
    instance, credential = described(draft)
    finding = None
    if not Instance.objects.filter(kind=instance.kind, host=instance.host).exists():
        finding = clusters.look(instance, credential) if is_worth_a_look(instance, draft) else None
    seal_credential(instance, credential)
    return stored(instance, draft, finding, at=at)


def is_worth_a_look(instance: Instance, draft: Draft) -> bool:
    """Return whether the host can tell something that the draft does not."""
    return instance.kind == InstanceKind.PVE or instance.is_fingerprint_learned or not draft.name


@again_after(IntegrityError, UnknownInstance)
def stored(instance: Instance, draft: Draft, finding: Finding | None, *, at: datetime) -> Added:
    """Store what `add` has prepared, unless the host turns out to be watched already."""
    with transaction.atomic():
        counter, _ = InstanceCounter.objects.select_for_update().get_or_create(kind=instance.kind)
        known = Instance.objects.filter(kind=instance.kind, host=instance.host).first()
        holder = None
        if known is None and instance.kind == InstanceKind.PVE:
            holder = clusters.holder_of(instance.host, finding)
        if known is None and holder is None:
            create(instance, draft, finding, counter, at=at)
            feed.broadcast("nodes_changed")
            return Added(instance, Outcome.ADDED)
    if known is not None:
        return Added(change(known.pk, draft, at=at), Outcome.UPDATED)
    assert holder is not None  # noqa: S101  # one of the three cases holds
    return Added(merge(holder.pk, finding, at=at), Outcome.MERGED)


def create(
    instance: Instance, draft: Draft, finding: Finding | None, counter: InstanceCounter, *, at: datetime
) -> None:
    """Save a new instance under the next number of its kind and a name of its own."""
    wanted = draft.name or name_told_by(instance, finding) or default_name(instance.kind, instance.host)
    highest = (
        Instance.objects.filter(kind=instance.kind)
        .order_by("-number")
        .values_list("number", flat=True)
        .first()
    )
    instance.number = max(counter.next_number, 0 if highest is None else highest + 1)
    counter.next_number = instance.number + 1
    counter.save(update_fields=["next_number"])
    instance.name = free_name(instance.kind, wanted)
    instance.created_at = at
    learn(instance, finding)
    instance.pk = None
    instance.save(force_insert=True)
    if finding is not None:
        clusters.store_members(instance, finding, at=at)
        instance.save(update_fields=["is_cluster", "cluster_name"])


def name_told_by(instance: Instance, finding: Finding | None) -> str:
    """Return what a PBS calls itself; a PVE host is called as it is addressed (http-api.md 5.2)."""
    if finding is None or instance.kind == InstanceKind.PVE:
        return ""
    return finding.server_name.strip()[:NAME_LIMIT]


def free_name(kind: str, wanted: str, *, except_pk: int = 0) -> str:
    """Return the name, with `-2`, `-3`, ... behind it when another instance has it.

    The state's `connectionHealth` calls a PBS `pbs-<name>`: no PVE instance may be called that either.
    """
    others = Instance.objects.exclude(pk=except_pk).values_list("kind", "name")
    taken = {name for other_kind, name in others if other_kind == kind}
    if kind == InstanceKind.PVE:
        taken |= {f"{other_kind}-{name}" for other_kind, name in others if other_kind != kind}
    else:
        prefix = f"{kind}-"
        hosts = (name for other_kind, name in others if other_kind == InstanceKind.PVE)
        taken |= {name.removeprefix(prefix) for name in hosts if name.startswith(prefix)}
    name, count = wanted[:NAME_LIMIT], 1
    while name in taken:
        count += 1
        suffix = f"-{count}"
        name = f"{wanted[: NAME_LIMIT - len(suffix)]}{suffix}"
    return name


@again_after(IntegrityError)
def merge(pk: int, finding: Finding | None, *, at: datetime) -> Instance:
    """Add the members that a host told of to the configured cluster that it belongs to, and return the cluster.

    UnknownInstance when the cluster was removed in the same moment.
    """
    with transaction.atomic():
        instance = locked(pk)
        if finding is not None and finding.is_cluster:
            clusters.store_members(instance, finding, at=at)
        save_edit(instance)
    return instance


@again_after(IntegrityError)
def change(pk: int, draft: Draft, *, at: datetime) -> Instance:
    """Change what the draft says and leave everything else as it is; the name is kept when it is the same.

    Raises UnknownInstance and NotValid; nothing is changed then.
    """
    draft = checked(draft)
    before = Instance.objects.filter(pk=pk).first()
    if before is None:
        raise UnknownInstance
    after = copy(before)
    credential = apply(draft, after)
    finding = clusters.look(after, credential) if needs_look(before, after, credential) else None
    with transaction.atomic():
        instance = locked(pk)
        host_before = instance.host
        seal_credential(instance, apply(draft, instance))
        if draft.name:
            instance.name = free_name(instance.kind, draft.name, except_pk=pk)
        refuse_taken_host(instance)
        store_finding(instance, finding if instance.host == after.host else None, host_before, at=at)
        save_edit(instance)
    return instance


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
    if instance.is_fingerprint_learned and instance.host != host_before:
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


def needs_look(before: Instance, after: Instance, credential: Credential | None) -> bool:
    """Return whether a change touches how the host is reached, so that it may tell something else now."""
    is_secret_new = credential is not None and bool(credential.password or credential.token_value)
    if not is_secret_new and all(getattr(before, name) == getattr(after, name) for name in CONNECTION_FIELDS):
        return False
    return after.kind == InstanceKind.PVE or after.is_fingerprint_learned


def store_finding(instance: Instance, finding: Finding | None, host_before: str, *, at: datetime) -> None:
    """Bring certificate and members of a changed instance up to date.

    Another host that does not tell its cluster is a single host, unless it is a known member: its predecessor's members
    must never see its credential.
    """
    learn(instance, finding)
    if finding is not None and finding.cluster is not None:
        clusters.store_members(instance, finding, at=at)
    elif instance.host != host_before and not is_known_member(instance):
        clusters.forget_members(instance)


def is_known_member(instance: Instance) -> bool:
    """Return whether the instance's own address is the one of a member of its cluster."""
    host = urlsplit(instance.host).hostname or ""
    return any(host in (member.address, member.node_name) for member in instance.endpoints.all())


def learn(instance: Instance, finding: Finding | None) -> None:
    """Pin the certificate that was seen first, where nobody confirmed one; the row is not saved."""
    if finding is not None and instance.is_fingerprint_learned and not instance.fingerprint:
        instance.fingerprint = finding.fingerprint


def pin_first_certificate(pk: int, fingerprint: str) -> bool:
    """Pin the certificate of the first good answer of an instance that could not be asked when it was added.

    False when the instance is pinned already, or is not to be. The version stays: the connection is the same.
    """
    return (
        Instance.objects.filter(pk=pk, is_fingerprint_learned=True, fingerprint="").update(
            fingerprint=fingerprint
        )
        == 1
    )


def refuse_taken_host(instance: Instance) -> None:
    """Refuse a change that would make two instances watch one host."""
    others = Instance.objects.filter(kind=instance.kind, host=instance.host).exclude(pk=instance.pk)
    if other := others.first():
        raise NotValid("host", f"host is already configured as {other.name}")


def locked(pk: int) -> Instance:
    """Return the row as it is now, held until the transaction ends; UnknownInstance when it is gone."""
    instance = Instance.objects.select_for_update().filter(pk=pk).first()
    if instance is None:
        raise UnknownInstance
    return instance


def save_edit(instance: Instance) -> None:
    """Save the configuration, make the instance due at once, and tell the browsers on commit."""
    instance.version += 1
    instance.next_poll_at = None
    instance.save(update_fields=CONFIGURED_FIELDS)
    feed.broadcast("nodes_changed")


def pause(pk: int) -> Instance:
    """Stop polling an instance; what is known of it stays."""
    return set_paused(pk, is_paused=True)


def resume(pk: int) -> Instance:
    """Poll an instance again, beginning at the next tick."""
    return set_paused(pk, is_paused=False)


def set_paused(pk: int, *, is_paused: bool) -> Instance:
    """Pause or resume; an instance that already is so stays as it is. Raises UnknownInstance."""
    with transaction.atomic():
        instance = locked(pk)
        if instance.is_paused != is_paused:
            instance.is_paused = is_paused
            save_edit(instance)
    return instance


@again_after(IntegrityError)
def remove(pk: int, *, at: datetime) -> Instance:
    """Delete an instance with everything that was read of it, and return what it was.

    The row of its number stays, so that the number is never used again. A poll that is under way finds no
    instance and stores nothing. Raises UnknownInstance.
    """
    with transaction.atomic():
        instance = locked(pk)
        counter, _ = InstanceCounter.objects.select_for_update().get_or_create(kind=instance.kind)
        if counter.next_number <= instance.number:
            counter.next_number = instance.number + 1
            counter.save(update_fields=["next_number"])
        former = copy(instance)
        instance.delete()
        feed.broadcast("node_deleted", {"nodeType": former.kind})
        feed.broadcast("discovery_update", deleted_host(former, at=at))
    return former


def deleted_host(instance: Instance, *, at: datetime) -> dict[str, object]:
    """Return the discovery message that offers a deleted host again (state.md 7.4)."""
    place = place_of(instance.host)
    server = {
        "ip": place.host,
        "port": place.port,
        "type": instance.kind,
        "version": "Unknown",
        "hostname": place.host,
    }
    return {"servers": [server], "errors": [], "timestamp": int(at.timestamp()), "immediate": True}
