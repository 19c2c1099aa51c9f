"""The wire form of the configured instances: each wire name beside our name, once.

Source: http-api.md 5.1 and 5.3 of the contract; keys that it does not have are named in their comments.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rest_framework import serializers

from nodes.addresses import spelled_fingerprint
from nodes.choices import PollState
from nodes.drafts import EVERY_FLAG, MONITOR_FLAGS, Draft
from nodes.models import ClusterEndpoint, Instance
from pulse.lib.fields import InstantField, TextField, TruthField
from pulse.lib.logs import without_secrets

#: The three words of the wire for how an instance answers.
STATUS: Mapping[str, str] = {
    PollState.OK: "connected",
    PollState.LOGIN_FAILED: "error",
    PollState.FAILING: "disconnected",
    PollState.NEVER: "disconnected",
}


class EndpointSerializer(serializers.Serializer[ClusterEndpoint]):
    """One member of a cluster; the contract writes these keys in PascalCase."""

    NodeID = serializers.SerializerMethodField()
    NodeName = serializers.CharField(source="node_name")
    Host = serializers.CharField(source="node_name")
    IP = serializers.CharField(source="address")
    Online = serializers.BooleanField(source="is_online")
    LastSeen = InstantField(source="last_seen_at")

    def get_NodeID(self, endpoint: ClusterEndpoint) -> str:
        """Return the id as PVE writes it."""
        return f"node/{endpoint.node_name}"


class InstanceSerializer(serializers.Serializer[Instance]):
    """An instance as it is listed, and as it is asked for; secrets go in and never come out."""

    id = serializers.CharField(source="wire_id", read_only=True)
    type = TextField(source="kind")
    name = TextField()
    host = TextField()
    user = TextField()
    password = TextField(write_only=True)
    hasPassword = serializers.BooleanField(source="has_password", read_only=True)
    tokenName = TextField(source="token_id")
    tokenValue = TextField(source="token_value", write_only=True)
    hasToken = serializers.BooleanField(source="has_token", read_only=True)
    fingerprint = TextField()
    verifySSL = TruthField(source="verify_tls")
    monitorVMs = TruthField(source="monitor_vms")
    monitorContainers = TruthField(source="monitor_containers")
    monitorStorage = TruthField(source="monitor_storage")
    monitorBackups = TruthField(source="monitor_backups")
    monitorDatastores = TruthField(source="monitor_datastores")
    monitorSyncJobs = TruthField(source="monitor_sync_jobs")
    monitorVerifyJobs = TruthField(source="monitor_verify_jobs")
    monitorPruneJobs = TruthField(source="monitor_prune_jobs")
    monitorGarbageJobs = TruthField(source="monitor_garbage_jobs")
    status = serializers.SerializerMethodField()
    isCluster = serializers.BooleanField(source="is_cluster", read_only=True)
    clusterName = serializers.CharField(source="cluster_name", read_only=True)
    clusterEndpoints = EndpointSerializer(source="endpoints", many=True, read_only=True)
    # Ours, beside the contract.
    monitorSmart = TruthField(source="reads_smart")
    paused = serializers.BooleanField(source="is_paused", read_only=True)
    tlsUnchecked = serializers.BooleanField(source="is_tls_unchecked", read_only=True)
    fingerprintLearned = serializers.BooleanField(source="is_fingerprint_learned", read_only=True)
    statusMessage = serializers.SerializerMethodField()
    failingSince = InstantField(source="failing_since")
    lastSeen = InstantField(source="last_success_at")

    #: Left out when they are empty, false or not known.
    OMITTED_WHEN_EMPTY = (
        "user",
        "tokenName",
        "fingerprint",
        "isCluster",
        "clusterName",
        "clusterEndpoints",
        "fingerprintLearned",
        "statusMessage",
    )

    def get_status(self, instance: Instance) -> str:
        """Return whether the last poll succeeded, failed to log in, or failed otherwise."""
        return STATUS[instance.state]

    def get_statusMessage(self, instance: Instance) -> str:
        """Return why the last poll failed; a host's words may quote the request that it refused."""
        return without_secrets(instance.failure_message)

    def to_representation(self, instance: Instance) -> dict[str, Any]:
        """Return the object of the list: the flags of its own kind, and no empty key that the contract omits."""
        told = dict(super().to_representation(instance))
        others = EVERY_FLAG.difference(MONITOR_FLAGS[instance.kind])
        told["fingerprint"] = spelled_fingerprint(instance.fingerprint)  # as the Proxmox pages show it
        foreign = {name for name, field in self.fields.items() if field.source in others}
        empty = {name for name in self.OMITTED_WHEN_EMPTY if not told[name]}
        if instance.failing_since is None:
            empty.add("failingSince")
        if instance.last_success_at is None:
            empty.add("lastSeen")
        if not instance.fingerprint:
            empty.add("fingerprintLearned")
        return {name: value for name, value in told.items() if name not in foreign | empty}


class HostSerializer(serializers.Serializer[Any]):
    """What the certificate route asks for."""

    type = TextField(source="kind")
    host = TextField()


def draft_of(fields: Mapping[str, Any], *, kind: str) -> Draft:
    """Return what the read fields ask for; `type` is whatever the route says it is."""
    flags = {name: value for name, value in fields.items() if name in EVERY_FLAG}
    return Draft(
        kind=kind,
        name=fields.get("name", ""),
        host=fields.get("host", ""),
        user=fields.get("user", ""),
        password=fields.get("password", ""),
        token_id=fields.get("token_id", ""),
        token_value=fields.get("token_value", ""),
        fingerprint=fields.get("fingerprint"),
        verify_tls=fields.get("verify_tls"),
        flags=flags,
    )
