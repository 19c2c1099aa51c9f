"""What a poll leaves on the instance's row: written when something changes, not at every poll."""

from __future__ import annotations

import logging
from datetime import datetime, timedelta

from django.conf import settings
from django.db import transaction

from monitoring import lanes
from monitoring.memory import PollMemory
from nodes import clusters
from nodes.choices import PollState
from nodes.connecting import target_of
from nodes.models import ClusterEndpoint, Instance
from nodes.proxmox.errors import LoginFailed, PermissionDenied, ProxmoxError
from nodes.proxmox.readings import ClusterReading

logger = logging.getLogger(__name__)

#: `last_success_at` survives a restart; between two of these the fragment knows better.
SUCCESS_RESOLUTION_SECONDS = 60.0


def record_success(instance: Instance, memory: PollMemory, *, at: datetime) -> None:
    """Note that the instance answers."""
    changed = instance.state != PollState.OK
    if not changed and at.timestamp() - memory.recorded_at < SUCCESS_RESOLUTION_SECONDS:
        return
    memory.recorded_at = at.timestamp()
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
    """Note why the instance does not answer, and ask rarely where the login is refused."""
    refused = isinstance(error, LoginFailed | PermissionDenied)
    state = PollState.LOGIN_FAILED if refused else PollState.FAILING
    message = str(error)[:1000]
    if (instance.state, instance.failure_code, instance.failure_message) != (state, error.code, message):
        update(
            instance,
            state=state,
            failure_code=error.code,
            failure_message=message,
            failing_since=instance.failing_since or at,
        )
        logger.warning("%s: %s", instance.name, message)
    wait = lanes.next_try_seconds(
        memory.login_failures, credential_kind(instance), settings.POLLING_INTERVAL_SECONDS
    )
    if wait > settings.POLLING_INTERVAL_SECONDS:
        later = at + timedelta(seconds=wait)
        Instance.objects.filter(pk=instance.pk, version=instance.version).update(next_poll_at=later)


def credential_kind(instance: Instance) -> str:
    """Return `token` or `password`."""
    return "token" if instance.has_token else "password"


def update(instance: Instance, **values: object) -> None:
    """Write observed fields, unless the instance was edited meanwhile."""
    Instance.objects.filter(pk=instance.pk, version=instance.version).update(**values)


def cluster_polled_by_another(instance: Instance, cluster: ClusterReading | None) -> str:
    """Return the name of an earlier instance that stands for the same cluster, empty when there is none.

    Two instances that were added apart may turn out to be one cluster: only the first is polled (state.md 4.2).
    """
    if cluster is None or not cluster.is_cluster:
        return ""
    earlier = (
        Instance.objects.polled().clusters().filter(number__lt=instance.number, cluster_name=cluster.name)
    )
    for other in earlier.prefetch_related("endpoints"):
        if clusters.is_same_cluster(other, cluster):
            return other.name
    return ""


def record_membership(instance: Instance, cluster: ClusterReading | None, *, at: datetime) -> None:
    """Keep the members of the cluster: new and lost ones at once, who is online when it changes."""
    if cluster is None or (not cluster.is_cluster and not instance.is_cluster):
        return
    known = {one.node_name: (one.address, one.is_online) for one in instance.endpoints.all()}
    told = {
        one.name: (one.address, one.is_online is True) for one in clusters.readable_members(cluster.members)
    }
    if (
        cluster.is_cluster
        and known == told
        and instance.cluster_name == (cluster.name or clusters.UNKNOWN_CLUSTER)
    ):
        touch_members(instance, at=at)
        return
    certificates = clusters.member_certificates(target_of(instance)) if instance.fingerprint else {}
    finding = clusters.Finding(cluster=cluster, certificates=certificates)
    with transaction.atomic():
        clusters.store_members(instance, finding, at=at)
        update(instance, is_cluster=instance.is_cluster, cluster_name=instance.cluster_name)


def touch_members(instance: Instance, *, at: datetime) -> None:
    """Renew `last_seen_at` of members that are online, once a minute."""
    stale = at - timedelta(seconds=SUCCESS_RESOLUTION_SECONDS)
    if any(
        one.is_online and (one.last_seen_at is None or one.last_seen_at < stale)
        for one in instance.endpoints.all()
    ):
        ClusterEndpoint.objects.filter(instance=instance, is_online=True).update(last_seen_at=at)
