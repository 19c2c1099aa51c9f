"""Whether two configured hosts are one: by what each tells of itself, and the better evidence first; the rule is pure.

What a host tells of itself, another can copy: names, addresses, guests, and the fingerprints of certificates as well, for anybody
may shake hands. What it cannot copy is the key: each has to show, in its own handshake, the certificate that the other lists for a
node that both have. Where that certificate is that of more than one node, the guests decide, then names and addresses. When in doubt
two are two: a host that is shown twice can be deleted, one that is taken for another is never seen.
Source: decision 8 of the contract; api-facts.md 1.4 and 4.1, `ssl_fingerprint` of GET /nodes, which every account may call.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from nodes.choices import InstanceKind, PollState
from nodes.models import Guest, Instance
from nodes.proxmox.readings.live import ClusterReading, GuestReading, NodeCertificateReading

UNKNOWN_CLUSTER = "Unknown Cluster"

#: After this long without an answer a host is offline (decision 8 of the contract), and shows nothing in the place of another.
SILENT_SECONDS = 35.0
#: As many as a cluster may have.
NODES_LIMIT = 64

#: What is kept of a node on the row of its instance: certificate and address, each "" where it is not told.
ToldNodes = dict[str, list[str]]
#: Kind and name by vmid.
Guests = Mapping[int, tuple[str, str]]


@dataclass(frozen=True, slots=True)
class Appearance:
    """What a host tells of itself.

    `cluster` is the name of its cluster, "" for one of its own, None when the account may not ask. `certificates` and `addresses`
    are by node, with all nodes in the former. `guests` are None while nobody has read them. `shown` is the certificate with which
    the host that told this has proven itself, "" without TLS: all else is only said.
    """

    cluster: str | None = None
    certificates: Mapping[str, str] = field(default_factory=dict)
    addresses: Mapping[str, str] = field(default_factory=dict)
    guests: Guests | None = None
    shown: str = ""

    def is_own(self, name: str) -> bool:
        """Return whether the certificate of a node is that of no other: one for a whole domain proves nothing."""
        return list(self.certificates.values()).count(self.certificates[name]) == 1


def is_same(one: Appearance, other: Appearance) -> bool:
    """Return whether these are one host, or members of one cluster: what both tell agrees, and each has proven itself to the other."""
    return seem_same(one, other) and are_proven(one, other)


def are_disputed(one: Appearance, other: Appearance) -> bool:
    """Return whether one of these tells what is the other's own, and they have not proven to be the same."""
    if are_proven(one, other):
        return False
    return by_certificates(one, other) is True or seem_same(one, other)


def are_proven(one: Appearance, other: Appearance) -> bool:
    """Return whether each has shown a certificate that the other lists for a node that both have."""
    return bool(one.shown and other.shown) and lists(one, other) and lists(other, one)


def lists(one: Appearance, other: Appearance) -> bool:
    """Return whether one lists, for a node that both have, the certificate that the other has shown."""
    nodes = one.certificates.keys() & other.certificates.keys()
    return any(one.certificates[name] == other.certificates[name] == other.shown for name in nodes)


def seem_same(one: Appearance, other: Appearance) -> bool:
    """Return whether these are one by what they tell, which either may have copied."""
    if one.cluster is not None and other.cluster is not None and one.cluster != other.cluster:
        return False
    if contradict(one.guests, other.guests):
        return False
    proof = by_certificates(one, other)
    is_cluster = bool(one.cluster or other.cluster) or min(len(one.certificates), len(other.certificates)) > 1
    if not is_cluster:
        # Hosts of their own are often called `pve`, and may have a certificate in common that was bought for a domain.
        return proof is True and have_addresses_in_common(one, other) is not False and agree(one, other)
    if proof is not None:
        return proof
    if not one.cluster or not other.cluster or have_nothing_in_common(one.guests, other.guests):
        return False
    return have_members_in_common(one, other)


def by_certificates(one: Appearance, other: Appearance) -> bool | None:
    """Return whether the nodes of the same names have the same certificates, None where that proves nothing."""
    told = [
        name
        for name in one.certificates.keys() & other.certificates.keys()
        if one.certificates[name] and other.certificates[name]
    ]
    equal = [name for name in told if one.certificates[name] == other.certificates[name]]
    if told and not equal:
        return False
    return True if any(one.is_own(name) and other.is_own(name) for name in equal) else None


def have_members_in_common(one: Appearance, other: Appearance) -> bool:
    """Return whether two clusters have a member in common; names alone decide only where an address is not told.

    Many clusters call their first host `pve1`.
    """
    return any(
        address == other_address if address and other_address else name == other_name
        for name, address in one.addresses.items()
        for other_name, other_address in other.addresses.items()
    )


def have_addresses_in_common(one: Appearance, other: Appearance) -> bool | None:
    """Return whether nodes of the same names have the same addresses, None where none is told."""
    told = [
        one.addresses[name] == other.addresses[name]
        for name in one.addresses.keys() & other.addresses.keys()
        if one.addresses[name] and other.addresses[name]
    ]
    return any(told) if told else None


def contradict(one: Guests | None, other: Guests | None) -> bool:
    """Return whether most guests that both have a number for are others; a few may have been renamed meanwhile."""
    common = (one or {}).keys() & (other or {}).keys()
    differing = [vmid for vmid in common if (one or {})[vmid] != (other or {})[vmid]]
    return len(differing) * 2 > len(common)


def have_nothing_in_common(one: Guests | None, other: Guests | None) -> bool:
    """Return whether both have guests, and none of them has the number of another."""
    return bool(one and other) and not ((one or {}).keys() & (other or {}).keys())


def have_same_guests(one: Appearance, other: Appearance) -> bool:
    """Return whether two hosts have guests in common that are the same."""
    has_common = bool((one.guests or {}).keys() & (other.guests or {}).keys())
    return has_common and not contradict(one.guests, other.guests)


def agree(one: Appearance, other: Appearance) -> bool:
    """Return whether two lists of guests may be of one host: one may see fewer of them, but not none of those that there are."""
    if one.guests is None or other.guests is None:
        return True
    return bool(one.guests) == bool(other.guests) and not have_nothing_in_common(one.guests, other.guests)


# --- what is known of each ------------------------------------------------------------------------------------------


def told_nodes(
    certificates: Iterable[NodeCertificateReading], cluster: ClusterReading | None, *, served: str
) -> ToldNodes:
    """Return what is to be kept of the nodes of a host; `served` is the certificate that the asked one shows."""
    listed = {one.name: one.fingerprint for one in certificates}
    members = cluster.members if cluster is not None else ()
    asked = next(
        (one.name for one in members if one.is_local), next(iter(listed), "") if len(listed) == 1 else ""
    )
    addresses = {one.name: one.address for one in members}
    return {
        name: [certificate or (served if name == asked else ""), addresses.get(name, "")]
        for name, certificate in list(listed.items())[:NODES_LIMIT]
    }


def cluster_name(cluster: ClusterReading) -> str:
    """Return the name under which a cluster is kept."""
    return (cluster.name or UNKNOWN_CLUSTER)[:128]


def appearance(
    nodes: Mapping[str, list[str]],
    cluster: ClusterReading | None,
    guests: Iterable[GuestReading] | None,
    *,
    shown: str,
) -> Appearance:
    """Return what a host tells now; `shown` is its certificate, as `Appearance` has it."""
    addresses = {name: address for name, (_, address) in nodes.items()}
    name: str | None = None
    if cluster is not None:
        addresses |= {one.name: one.address for one in cluster.members}
        name = cluster_name(cluster) if cluster.is_cluster else ""
    return Appearance(
        name,
        {node: certificate for node, (certificate, _) in nodes.items()},
        addresses,
        None
        if guests is None
        else {one.vmid: (one.kind, one.name[:256]) for one in guests if one.name and not one.is_template},
        shown,
    )


def recorded(instance: Instance) -> Appearance:
    """Return what a configured host has told so far; its guests only while it answers: they are renamed, and others come."""
    is_fresh = instance.state == PollState.OK and not instance.is_paused
    guests = Guest.there(instance).values_list("vmid", "kind", "name")
    certificates = {name: certificate for name, (certificate, _) in instance.told_nodes.items()}
    addresses = {name: address for name, (_, address) in instance.told_nodes.items()}
    for endpoint in instance.endpoints.all():
        certificates.setdefault(endpoint.node_name, endpoint.fingerprint)
        addresses[endpoint.node_name] = endpoint.address or addresses.get(endpoint.node_name, "")
    return Appearance(
        instance.cluster_name if instance.is_cluster else None,
        certificates,
        addresses,
        {vmid: (kind, name) for vmid, kind, name in guests if name} if is_fresh else None,
        instance.shown_fingerprint,
    )


def stands_for_others(instance: Instance, *, at: datetime) -> bool:
    """Return whether another instance that is the same need not be polled: one that does not answer shows nothing in its place."""
    if instance.is_paused:
        return False
    since = instance.failing_since
    return since is None or abs((at - since).total_seconds()) <= SILENT_SECONDS


def namesakes(names: Iterable[str], *, except_pk: int = 0) -> list[Instance]:
    """Return the PVE instances, paused ones too, that told of a node with one of these names, in order of their creation."""
    wanted = set(names)
    rows = Instance.objects.filter(kind=InstanceKind.PVE).exclude(pk=except_pk).order_by("number")
    return [row for row in rows if not wanted.isdisjoint(row.told_nodes)]
