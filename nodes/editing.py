"""The verbs that change an instance: add, change, remove, pause, resume. API, admin and commands all come here.

What must be asked of the host is asked first; then one short transaction stores everything or nothing, and the
browsers are told when it has committed. A poll follows at the next tick.
"""

from __future__ import annotations

import ipaddress
import logging
from collections.abc import Callable
from copy import copy
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from functools import wraps
from typing import ParamSpec, TypeVar

from django.db import IntegrityError, transaction
from django.db.models import F

from nodes import clusters
from nodes.addresses import LOOPBACK_NAMES, default_name
from nodes.choices import InstanceKind
from nodes.clusters import HostFacts
from nodes.configuring import apply, described, learn, needs_look, proposed, seal_credential
from nodes.drafts import DECIDED, NAME_LIMIT, Draft, NotValid, checked
from nodes.ids import FreeIds, whole_ids
from nodes.models import AddressRule, Instance, InstanceCounter
from pulse.lib import feed
from pulse.lib.outbound.places import place_of

logger = logging.getLogger(__name__)

#: How often a verb begins anew when somebody else stored the same name, number or host in the same moment.
ATTEMPTS = 4

#: An edit writes what a person decides and what follows from it, never what polling observes.
CONFIGURED_FIELDS = (
    *(column.name for column in DECIDED if column.name != "kind"),
    "is_fingerprint_learned",
    "former_fingerprint",
    "authority",
    "certificate_renewed_at",
    "is_paused",
    "is_cluster",
    "cluster_name",
    "told_nodes",
    "shown_fingerprint",
    "version",
    "next_poll_at",
    "changed_at",
)

Arguments = ParamSpec("Arguments")
Result = TypeVar("Result")


class UnknownInstance(Exception):
    """The instance is not there, or not there any more."""


class Outcome(StrEnum):
    """What adding an instance came to."""

    ADDED = "added"
    UPDATED = "updated"  # the host was configured already
    MERGED = "merged"  # the host, or its cluster, is configured already under another address


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


def add(draft: Draft, *, at: datetime) -> Added:
    """Make the host watched: as a new instance, by updating the one it already is, or as part of its cluster.

    The host need not answer. Raises NotValid.
    """
    draft = proposed(draft)
    instance, credential = described(draft)
    facts = None
    if not Instance.objects.filter(kind=instance.kind, host=instance.host).exists():
        facts = clusters.look(instance, credential) if is_worth_a_look(instance, draft) else None
        if facts is not None:
            facts = clusters.with_guests(instance, credential, facts)
    seal_credential(instance, credential)
    return stored(instance, draft, facts, at=at)


def is_worth_a_look(instance: Instance, draft: Draft) -> bool:
    """Return whether the host can tell something that the draft does not."""
    return instance.kind == InstanceKind.PVE or instance.is_fingerprint_learned or not draft.name


@again_after(IntegrityError, UnknownInstance)
def stored(instance: Instance, draft: Draft, facts: HostFacts | None, *, at: datetime) -> Added:
    """Store what `add` has prepared, unless the host turns out to be watched already."""
    with transaction.atomic():
        counter, _ = InstanceCounter.objects.select_for_update().get_or_create(kind=instance.kind)
        existing = Instance.objects.filter(kind=instance.kind, host=instance.host).first()
        holder = None
        if existing is None and instance.kind == InstanceKind.PVE:
            holder = clusters.holder_of(facts, at=at)
        if existing is None and holder is None:
            create(instance, draft, facts, counter, at=at)
            feed.broadcast("nodes_changed")
            logger.info("%s added as %s: %s", instance.wire_id, instance.name, instance.host)
            return Added(instance, Outcome.ADDED)
    if existing is not None:
        return Added(change(existing.pk, draft, at=at), Outcome.UPDATED)
    assert holder is not None  # noqa: S101  # one of the three cases holds
    return Added(merge(holder.pk), Outcome.MERGED)


def create(
    instance: Instance, draft: Draft, facts: HostFacts | None, counter: InstanceCounter, *, at: datetime
) -> None:
    """Save a new instance under the next number of its kind and a name of its own."""
    wanted = draft.name or name_told_by(instance, facts) or default_name(instance.kind, instance.host)
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
    learn(instance, facts)
    instance.pk = None
    instance.save(force_insert=True)
    if facts is not None:
        clusters.store_members(instance, facts, at=at)
        instance.told_nodes, instance.shown_fingerprint = facts.nodes, facts.fingerprint
        instance.save(update_fields=["is_cluster", "cluster_name", "told_nodes", "shown_fingerprint"])


def name_told_by(instance: Instance, facts: HostFacts | None) -> str:
    """Return what a PBS calls itself; a PVE host is called as it is addressed (http-api.md 5.2).

    "" for a name that every host has for itself: a PBS lists itself as `localhost`, whatever it is called.
    """
    if facts is None or instance.kind == InstanceKind.PVE:
        return ""
    name = facts.server_name.strip()[:NAME_LIMIT]
    return "" if is_own_name_of_all(name) else name


def is_own_name_of_all(name: str) -> bool:
    """Return whether a name means whoever says it: `localhost`, also with a domain behind it, or a loopback address."""
    try:
        return ipaddress.ip_address(name.strip("[]")).is_loopback
    except ValueError:
        return name.lower().partition(".")[0] in LOOPBACK_NAMES


def free_name(kind: str, wanted: str, *, except_pk: int = 0) -> str:
    """Return the name, with `-2`, `-3`, ... behind it when another instance has it.

    The state's `connectionHealth` calls a PBS `pbs-<name>`: no PVE instance may be called that either. Nor may any have a name that
    spells the id of something else for it as a whole.
    """
    free = FreeIds.of_others(except_pk)
    others = Instance.objects.exclude(pk=except_pk).values_list("kind", "name")
    taken = {name for other_kind, name in others if other_kind == kind}
    if kind == InstanceKind.PVE:
        taken |= {f"{other_kind}-{name}" for other_kind, name in others if other_kind != kind}
    else:
        prefix = f"{kind}-"
        hosts = (name for other_kind, name in others if other_kind == InstanceKind.PVE)
        taken |= {name.removeprefix(prefix) for name in hosts if name.startswith(prefix)}
    name, count = wanted[:NAME_LIMIT], 1
    while name in taken or not all(free.is_free(one) for one in whole_ids(kind, name)):
        count += 1
        suffix = f"-{count}"
        name = f"{wanted[: NAME_LIMIT - len(suffix)]}{suffix}"
    return name


@again_after(IntegrityError)
def merge(pk: int) -> Instance:
    """Let the configured cluster to which a host belongs be polled at once, and return it.

    Its members are what it tells over its own connection, not what the host told that was to be added. UnknownInstance when the
    cluster was removed in the same moment.
    """
    with transaction.atomic():
        instance = locked(pk)
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
    facts = clusters.look(after, credential) if needs_look(before, after, credential) else None
    with transaction.atomic():
        instance = locked(pk)
        host_before = instance.host
        seal_credential(instance, apply(draft, instance))
        if draft.name:
            instance.name = free_name(instance.kind, draft.name, except_pk=pk)
        refuse_taken_host(instance)
        store_facts(instance, facts if instance.host == after.host else None, host_before, at=at)
        save_edit(instance, *(["last_success_at"] if instance.host != host_before else []))
    logger.info("%s changed: %s at %s", instance.wire_id, instance.name, instance.host)
    return instance


def store_facts(instance: Instance, facts: HostFacts | None, host_before: str, *, at: datetime) -> None:
    """Bring certificate and members of a changed instance up to date.

    Another host that does not tell its cluster is a single host until it does, also where its predecessor listed it as a member:
    the other members of that list must never see its credential.
    """
    learn(instance, facts)
    if instance.host != host_before:
        instance.last_success_at = None  # the other one has never answered
    if facts is not None or instance.host != host_before:
        instance.told_nodes = facts.nodes if facts is not None else {}
        instance.shown_fingerprint = facts.fingerprint if facts is not None else ""
    if instance.host != host_before:
        clusters.forget_members(instance)
    if facts is not None and facts.cluster is not None:
        clusters.store_members(instance, facts, at=at)


def pin_first_certificate(pk: int, fingerprint: str) -> bool:
    """Pin the certificate of the first good answer of an instance that could not be asked when it was added.

    False when the instance is pinned already, or is not to be. The version stays: nobody has changed the configuration.
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


def save_edit(instance: Instance, *observed: str) -> None:
    """Save the configuration, and observed fields that it makes void, make the instance due at once, and tell the browsers on commit."""
    instance.version += 1
    instance.next_poll_at = None
    instance.save(update_fields=(*CONFIGURED_FIELDS, *observed))
    feed.broadcast("nodes_changed")


def allow_loopback(*, is_allowed: bool) -> None:
    """Decide whether hosts may be called at the loopback addresses of this machine."""
    with transaction.atomic():
        rule, _ = AddressRule.objects.select_for_update().get_or_create()
        if rule.allows_loopback == is_allowed:
            return
        rule.allows_loopback = is_allowed
        rule.save(update_fields=["allows_loopback"])
        # Open connections are of the former decision: each is made anew, in whatever process.
        Instance.objects.update(version=F("version") + 1, next_poll_at=None)


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
            logger.info("%s %s", instance.name, "paused" if is_paused else "resumed")
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
    logger.info("%s removed: %s at %s", former.wire_id, former.name, former.host)
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
