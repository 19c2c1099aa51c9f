"""What a poll leaves on the instance's row: written when something changes, not at every poll."""

from __future__ import annotations

import logging
import time
from datetime import datetime, timedelta

from django.conf import settings
from django.db import transaction

from monitoring.known.memory import PollMemory
from monitoring.polling import limits, turns
from nodes import authorities, clusters, editing, recognising
from nodes.choices import PollState
from nodes.connecting import Connection, target_of, words_of
from nodes.models import ClusterEndpoint, Instance
from nodes.proxmox.errors import LoginFailed, PermissionDenied, ProxmoxError
from nodes.proxmox.readings.live import ClusterReading, MemberReading
from pulse.lib.instants import from_epoch

logger = logging.getLogger(__name__)

#: How exact `last_success_at` and `last_seen_at` are while all is well: the fragment knows better, and each is a write. The last
#: success before a failure is exact.
SUCCESS_RESOLUTION_SECONDS = 300.0
MESSAGE_LIMIT = 1000
#: How often it is tried whether a public authority vouches for a pinned certificate.
AUTHORITY_SECONDS = 6 * 3600.0


def is_refusal(error: ProxmoxError) -> bool:
    """Return whether the account is the matter (401 or 403), and not the host."""
    return isinstance(error, LoginFailed | PermissionDenied)


def record_success(instance: Instance, memory: PollMemory, *, at: datetime) -> None:
    """Note that the instance answers: a change at once, the time of it now and then."""
    changed = instance.state != PollState.OK
    if not changed and at.timestamp() - memory.recorded_epoch < SUCCESS_RESOLUTION_SECONDS:
        return
    memory.recorded_epoch = at.timestamp()
    update(
        instance,
        state=PollState.OK,
        failure_code="",
        failure_message="",
        failing_since=None,
        last_success_at=at,
    )
    if changed:
        logger.info("%s: answers", instance.name)


def record_failure(instance: Instance, memory: PollMemory, error: ProxmoxError, *, at: datetime) -> None:
    """Note why the instance does not answer, and when to ask again if that is later than usual."""
    interval = float(settings.POLLING_INTERVAL_SECONDS)
    wait = limits.next_try_seconds(
        interval,
        is_refused=memory.login_is_refused and is_refusal(error),
        credential_kind="token" if instance.has_token else "password",
        asked_seconds=error.retry_after_seconds,
    )
    if wait > interval:
        turns.PLAN.put_off(
            instance.pk, seconds=wait, monotonic=time.monotonic()
        )  # rows may not be written now
    state = PollState.LOGIN_FAILED if is_refusal(error) else PollState.FAILING
    message = words_of(error, instance)[:MESSAGE_LIMIT]
    if (instance.state, instance.failure_code) != (state, error.code):
        logger.warning("%s: %s", instance.name, message)
    if (instance.state, instance.failure_code, instance.failure_message) != (state, error.code, message):
        if instance.state == PollState.OK and memory.succeeded_epoch:
            update(instance, last_success_at=from_epoch(memory.succeeded_epoch))
        update(
            instance,
            state=state,
            failure_code=error.code,
            failure_message=message,
            failing_since=instance.failing_since or at,
        )
    if wait > interval:
        update(instance, next_poll_at=at + timedelta(seconds=wait))


def update(instance: Instance, **values: object) -> None:
    """Write observed fields, unless the instance was edited or removed meanwhile."""
    Instance.objects.filter(pk=instance.pk, version=instance.version).update(**values)


def pin_certificate(instance: Instance, connection: Connection) -> None:
    """Pin the certificate that was seen first, of an instance that could not be asked when it was added."""
    if instance.is_fingerprint_learned and not instance.fingerprint:
        shown = connection.client().fingerprint
        if shown and editing.pin_first_certificate(instance.pk, shown):
            instance.fingerprint = shown
            logger.info("%s: the certificate is pinned from now on", instance.name)


def keep_trust(instance: Instance, memory: PollMemory, connection: Connection, *, at: datetime) -> None:
    """Pin what its authority has renewed, and remember public authorities as those that may."""
    for pinned, renewed in connection.renewals().items():
        if authorities.pin_anew(instance, pinned, renewed, at=at):
            logger.info(
                "%s: the certificate was renewed by its authority; the new one is pinned", instance.name
            )
    if authorities.is_wanted(instance) and at.timestamp() - memory.authority_epoch >= AUTHORITY_SECONDS:
        memory.authority_epoch = at.timestamp()
        if authorities.remember_public(instance):
            logger.info("%s: public authorities may renew the pinned certificate", instance.name)


def record_membership(instance: Instance, cluster: ClusterReading | None, *, at: datetime) -> None:
    """Keep the members of the cluster: new and lost ones at once, who is online when it changes."""
    if cluster is None or not (cluster.is_cluster or instance.is_cluster):
        return
    name = recognising.cluster_name(cluster)
    told = {member.name: member for member in clusters.readable_members(cluster.members)}
    known = {endpoint.node_name: endpoint for endpoint in instance.endpoints.all()}
    is_same = (
        cluster.is_cluster
        and instance.is_cluster
        and instance.cluster_name == name
        and known.keys() == told.keys()
        and all(is_same_address(known[key], told[key]) for key in told)
    )
    if is_same:
        record_presence(known, told, has_majority=cluster.is_quorate is not False, at=at)
        return
    # Members that are pinned are asked only with a fingerprint of their own.
    certificates = clusters.member_certificates(target_of(instance)) if instance.fingerprint else {}
    finding = clusters.HostFacts(cluster=cluster, certificates=certificates)
    with transaction.atomic():
        current = Instance.objects.select_for_update().filter(pk=instance.pk, version=instance.version)
        if current.exists():
            clusters.store_members(instance, finding, at=at)
            update(instance, is_cluster=instance.is_cluster, cluster_name=instance.cluster_name)


def is_same_address(endpoint: ClusterEndpoint, member: MemberReading) -> bool:
    """Return whether a member is where it was; an address that is not told is no news."""
    return not member.address or member.address == endpoint.address


def record_presence(
    known: dict[str, ClusterEndpoint], told: dict[str, MemberReading], *, has_majority: bool, at: datetime
) -> None:
    """Write who is online when it changes, and now and then when they were last seen.

    A host without a majority takes all others for offline, which says nothing about them.
    """
    stale = at - timedelta(seconds=SUCCESS_RESOLUTION_SECONDS)
    seen: list[int] = []
    lost: list[int] = []
    for name, endpoint in known.items():
        if told[name].is_online is True:
            is_news = (
                not endpoint.is_online
                or endpoint.last_seen_at is None
                or not stale < endpoint.last_seen_at <= at
            )
            seen += [endpoint.pk] if is_news else []
        elif endpoint.is_online and has_majority:
            lost.append(endpoint.pk)
    if seen:
        ClusterEndpoint.objects.filter(pk__in=seen).update(is_online=True, last_seen_at=at)
    if lost:
        ClusterEndpoint.objects.filter(pk__in=lost).update(is_online=False)
