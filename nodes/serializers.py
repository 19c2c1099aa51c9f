"""The wire form of the configured instances; what a person decides is declared with its column.

Source: http-api.md 5.1 and 5.3 of the contract; keys that it does not have are named in their comments.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rest_framework import serializers

from nodes.addresses import spelled_fingerprint
from nodes.choices import PollState
from nodes.drafts import DECIDED, FLAGS
from nodes.fields import Decided, DecidedTruth, Flag, Secret
from nodes.models import ClusterEndpoint, Instance
from pulse.lib.fields import InstantField, TextField, TruthField
from pulse.lib.logs import without_secrets

Field = serializers.Field[Any, Any, Any, Any]

#: The three words of the wire for how an instance answers.
STATUS: Mapping[str, str] = {
    PollState.OK: "connected",
    PollState.LOGIN_FAILED: "error",
    PollState.FAILING: "disconnected",
    PollState.NEVER: "disconnected",
}


# The contract writes these keys in PascalCase.
class EndpointSerializer(serializers.Serializer[ClusterEndpoint]):
    """A member of a cluster."""

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
    """A configured host or cluster.

    Give `type`, `host` and a credential: `user` and `password`, or `tokenName` (`user@realm!name`) and `tokenValue`. Secrets go in and
    never come out: `hasPassword` and `hasToken` say that they are there. `fingerprint` pins a certificate; `verifySSL` checks it by
    the authorities that this machine knows. What the `monitor...` flags name is read; those of other types are ignored.
    """

    id = serializers.CharField(source="wire_id", read_only=True)
    status = serializers.SerializerMethodField()
    isCluster = serializers.BooleanField(source="is_cluster", read_only=True)
    clusterName = serializers.CharField(source="cluster_name", read_only=True)
    clusterEndpoints = EndpointSerializer(source="endpoints", many=True, read_only=True)
    paused = serializers.BooleanField(source="is_paused", read_only=True)
    tlsUnchecked = serializers.BooleanField(source="is_tls_unchecked", read_only=True)
    fingerprintLearned = serializers.BooleanField(source="is_fingerprint_learned", read_only=True)
    certificateRenewed = InstantField(source="certificate_renewed_at")
    statusCode = serializers.CharField(source="failure_code", read_only=True)
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
        "statusCode",
        "statusMessage",
    )

    #: Ours, beside the contract: they stand behind it.
    OURS = (
        "paused",
        "tlsUnchecked",
        "fingerprintLearned",
        "certificateRenewed",
        "statusCode",
        "statusMessage",
        "failingSince",
        "lastSeen",
    )

    def get_fields(self) -> dict[str, Field]:
        """Return the fields in the order of the contract, those of the columns that a person decides among them."""
        fields = super().get_fields()
        contract: dict[str, Field] = {"id": fields.pop("id")}
        ours: dict[str, Field] = {}
        for column in DECIDED:
            group = ours if isinstance(column, Flag) and column.is_ours else contract
            group[column.wire] = field_of(column)
            if isinstance(column, Secret):
                source = f"has_{column.name.removeprefix('sealed_')}"
                group[column.shown_as] = serializers.BooleanField(source=source, read_only=True)
        ours |= {name: fields.pop(name) for name in self.OURS}
        return contract | fields | ours

    def get_status(self, instance: Instance) -> str:
        """Return whether the last poll succeeded, failed to log in, or failed otherwise."""
        return STATUS[instance.state]

    def get_statusMessage(self, instance: Instance) -> str:
        """Return why the last poll failed; a host's words may quote the request that it refused."""
        return without_secrets(instance.failure_message)

    def to_representation(self, instance: Instance) -> dict[str, Any]:
        """Return the object of the list: the flags of its own kind, and no empty key that the contract omits."""
        shown = dict(super().to_representation(instance))
        shown["fingerprint"] = spelled_fingerprint(instance.fingerprint)  # as the Proxmox pages show it
        foreign = {flag.wire for flag in FLAGS if instance.kind not in flag.kinds}
        empty = {name for name in self.OMITTED_WHEN_EMPTY if not shown[name]}
        if instance.certificate_renewed_at is None:
            empty.add("certificateRenewed")
        if instance.failing_since is None:
            empty.add("failingSince")
        if instance.last_success_at is None:
            empty.add("lastSeen")
        if not instance.fingerprint:
            empty.add("fingerprintLearned")
        return {name: value for name, value in shown.items() if name not in foreign | empty}


def field_of(column: Decided) -> Field:
    """Return how a column that a person decides is read and written; a secret goes in and never comes out."""
    source = None if column.given_as == column.wire else column.given_as
    if isinstance(column, DecidedTruth):
        return TruthField(source=source)
    return TextField(source=source, write_only=isinstance(column, Secret))


class InstanceChangeSerializer(InstanceSerializer):
    """What is to be changed of an instance; what is left out stays as it is."""

    def get_fields(self) -> dict[str, Field]:
        """Return the fields without the kind."""
        fields = super().get_fields()
        del fields["type"]
        return fields


class HostSerializer(serializers.Serializer[Any]):
    """The host whose certificate is to be told."""

    type = TextField(source="kind")
    host = TextField()
