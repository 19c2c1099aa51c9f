"""What a host tells about itself when it is added, which instance already stands for its cluster, and its members.

Source: state.md 4.2 and http-api.md 5.4 of the contract.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime

from nodes import connecting, drafts, probe, recognising
from nodes.choices import InstanceKind
from nodes.models import ClusterEndpoint, Instance
from nodes.proxmox import pve
from nodes.proxmox.client import Client, Target
from nodes.proxmox.errors import ProxmoxError
from nodes.proxmox.readings.live import ClusterReading, GuestReading, MemberReading, NodeCertificateReading
from nodes.recognising import ToldNodes, is_same

#: How long the first look at a host may take (http-api.md 5.3 and 5.4); an answer is due within 15 s.
LOOK_SECONDS: Mapping[str, float] = {InstanceKind.PVE: 10.0, InstanceKind.PBS: 5.0, InstanceKind.PMG: 10.0}
CERTIFICATES_SECONDS = 3.0

#: More members than Corosync carries are not a cluster but an attack on the table.
MEMBER_LIMIT = 64


@dataclass(frozen=True, slots=True)
class HostFacts:
    """What one look at a host brought: its certificate, its own name, and the cluster it belongs to.

    `certificates` holds the fingerprint of each member by name; empty where nothing is pinned. `nodes` and `guests` are what
    it is recognised by; the latter are None where nobody looked for them.
    """

    fingerprint: str = ""
    server_name: str = ""
    cluster: ClusterReading | None = None
    certificates: Mapping[str, str] = field(default_factory=dict)
    nodes: ToldNodes = field(default_factory=dict)
    guests: tuple[GuestReading, ...] | None = None

    @property
    def is_cluster(self) -> bool:
        """Whether the host told of more than one member."""
        return self.cluster is not None and self.cluster.is_cluster


def target_with(instance: Instance, credential: drafts.Credential | None) -> Target:
    """Return how to call an instance, with secrets that were just given as they were given: nothing is sealed for it.

    Raises CredentialUnreadable when a stored secret that is kept cannot be opened.
    """
    target = connecting.target_of(instance)
    if credential is None:
        return target
    return replace(
        target,
        credential=replace(
            target.credential,
            user=credential.user,
            password=credential.password or target.credential.password,
            token_id=credential.token_id,
            token_value=credential.token_value or target.credential.token_value,
        ),
    )


def look(instance: Instance, credential: drafts.Credential | None) -> HostFacts | None:
    """Return what the host tells, None when it does not answer: a host need not be reachable to be added.

    Calls the network: never inside a transaction. The instance need not be saved, nor hold what was just given.
    """
    try:
        target = target_with(instance, credential)
        probed = probe.probe(target, timeout_seconds=LOOK_SECONDS[instance.kind])
    except ProxmoxError:
        return None
    will_be_pinned = bool(instance.fingerprint) or instance.is_fingerprint_learned
    certificates: Mapping[str, str] = {}
    if probed.cluster is not None and probed.cluster.is_cluster and will_be_pinned:
        # Of nobody else than the host that was just looked at.
        certificates = member_certificates(replace(target, fingerprint=probed.fingerprint))
    return HostFacts(
        fingerprint=probed.fingerprint,
        server_name=probed.server_name,
        cluster=probed.cluster,
        certificates=certificates,
        nodes=recognising.told_nodes(probed.nodes, probed.cluster, served=probed.fingerprint),
    )


def with_guests(instance: Instance, credential: drafts.Credential | None, facts: HostFacts) -> HostFacts:
    """Return the facts with the guests of the host, where a configured one has a node of the same name.

    Calls the network, as `look` does.
    """
    if not recognising.namesakes(facts.nodes):
        return facts
    limit = LOOK_SECONDS[instance.kind]
    client = Client(target_with(instance, credential), timeout_seconds=limit, deadline_seconds=limit)
    try:
        return replace(facts, guests=pve.cluster_resources(client).guests)
    except ProxmoxError:
        return facts
    finally:
        client.close()


def member_certificates(target: Target) -> dict[str, str]:
    """Return the fingerprint of each member's certificate by node name; empty when the host does not tell."""
    client = Client(target, timeout_seconds=CERTIFICATES_SECONDS, deadline_seconds=CERTIFICATES_SECONDS)
    try:
        return fingerprints_by_name(pve.node_certificates(client))
    except ProxmoxError:
        return {}
    finally:
        client.close()


def fingerprints_by_name(certificates: Iterable[NodeCertificateReading]) -> dict[str, str]:
    """Return the readings as node name to fingerprint, without those that told none."""
    return {reading.name: reading.fingerprint for reading in certificates if reading.fingerprint}


def holder_of(facts: HostFacts | None, *, at: datetime) -> Instance | None:
    """Return the configured instance that already stands for a PVE host, or for its cluster; None when none does.

    A host that does not answer proves nothing, whoever lists its name or address as that of a member.
    """
    if facts is None:
        return None
    own = recognising.appearance(facts.nodes, facts.cluster, facts.guests, shown=facts.fingerprint)
    for row in candidates(facts.nodes, facts.cluster):
        is_there = row.is_paused or recognising.stands_for_others(row, at=at)
        if is_there and is_same(recognising.recorded(row), own):
            return row
    return None


def candidates(
    nodes: Iterable[str], cluster: ClusterReading | None, *, except_pk: int = 0
) -> tuple[Instance, ...]:
    """Return the instances that may be the same host or cluster: by the names of their nodes, or of the cluster."""
    found = {row.pk: row for row in (*recognising.namesakes(nodes, except_pk=except_pk), *of_name(cluster))}
    found.pop(except_pk, None)
    return tuple(sorted(found.values(), key=lambda row: row.number))


def of_name(cluster: ClusterReading | None) -> tuple[Instance, ...]:
    """Return the instances that stand for a cluster of this name, none for a host of its own."""
    if cluster is None or not cluster.is_cluster:
        return ()
    rows = Instance.objects.clusters().filter(cluster_name=recognising.cluster_name(cluster))
    return tuple(rows.order_by("number").prefetch_related("endpoints"))


def store_members(instance: Instance, facts: HostFacts, *, at: datetime) -> None:
    """Make the endpoints of an instance those of the cluster that was found, or none for a single host.

    Sets `is_cluster` and `cluster_name` on the instance without saving it. A member keeps the fingerprint that
    is known of it when the facts bring none. `facts` are what the instance's own connection brought, never what another host told:
    whoever is listed here is handed its credential. To be called inside the transaction of the edit.
    """
    reading = facts.cluster
    instance.is_cluster = facts.is_cluster
    instance.cluster_name = recognising.cluster_name(reading) if reading and instance.is_cluster else ""
    members = readable_members(reading.members) if reading and instance.is_cluster else ()
    instance.endpoints.exclude(node_name__in=[member.name for member in members]).delete()
    for member in members:
        values: dict[str, object] = {"is_online": member.is_online is True}
        if member.address:
            values["address"] = member.address
        if member.is_online:
            values["last_seen_at"] = at
        if fingerprint := facts.certificates.get(member.name):
            values["fingerprint"] = fingerprint
        ClusterEndpoint.objects.update_or_create(instance=instance, node_name=member.name, defaults=values)


def readable_members(members: Iterable[MemberReading]) -> tuple[MemberReading, ...]:
    """Return the members with a name that fits, each once; an address that is none is left out."""
    readable: dict[str, MemberReading] = {}
    for member in members:
        if member.name and len(member.name) <= 128 and len(readable) < MEMBER_LIMIT:
            address = member.address if is_ip_address(member.address) else ""
            readable.setdefault(
                member.name,
                MemberReading(
                    name=member.name, address=address, is_online=member.is_online, is_local=member.is_local
                ),
            )
    return tuple(readable.values())


def is_ip_address(text: str) -> bool:
    """Return whether the text is an IPv4 or IPv6 address."""
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True


def forget_members(instance: Instance) -> None:
    """Make the instance a single host until it tells otherwise; the instance itself is not saved."""
    instance.is_cluster = False
    instance.cluster_name = ""
    instance.endpoints.all().delete()
