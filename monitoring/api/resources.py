"""Routes about one resource: everything that is known of it, and where each number comes from."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import msgspec
from django.utils import timezone
from rest_framework.request import Request
from rest_framework.response import Response

from monitoring.api import answers
from monitoring.backups.attribution import VMID
from monitoring.backups.judgement import JUDGEMENT, NOTHING_JUDGED, Judgement
from monitoring.figures.guests import GuestFigures
from monitoring.figures.nodes import NodeFigures
from monitoring.figures.quorum import TOLD_SECONDS, quorum_of
from monitoring.figures.servers import GatewayFigures, ServerFigures
from monitoring.figures.storages import StorageFigures
from monitoring.known.disks import shown_disks
from monitoring.known.facts import FACTS, Facts, NodeFacts
from monitoring.known.memory import MEMORY, PollMemory
from monitoring.known.replication import nodes_of, replications
from monitoring.store.current import store
from monitoring.wire import numbers, server_numbers
from monitoring.wire.finding import Resource, figures_behind
from monitoring.wire.fragments import FragmentKey, Fragments, Item, Located, concerns_in, located_guest
from monitoring.wire.ids import Label
from monitoring.wire.numbers import Number
from monitoring.wire.server_details import gateway_details, server_details, task_details
from monitoring.wire.shapes import ConcernShape
from nodes.models import Instance, Node
from nodes.proxmox.readings.cluster import QdeviceReading
from nodes.proxmox.readings.guests import GuestConfigReading
from nodes.proxmox.readings.live import ClusterReading
from pulse.lib.auth import Access
from pulse.lib.endpoints import Endpoint, Operation, Parameter, Refusal, Tag
from pulse.lib.errors import ApiError
from pulse.lib.instants import instant


class Found(NamedTuple):
    """A resource of the state, its figures, and what is remembered of its instance."""

    instance: str  # its name
    instance_id: int
    collection: str
    item: Item
    figures: Resource
    memory: PollMemory
    facts: Facts


NO_RESOURCE = {404: Refusal("resource_not_found", "There is no resource with this id.")}
IDENTITY = {"identity": Parameter("The id of a resource, as the state has it.", "lab-pve1-100")}


class ResourceView(Endpoint):
    """One resource."""

    @Operation(
        Access.MONITORING_READ,
        Tag.MONITORING,
        {200: answers.Resource},
        refuses=NO_RESOURCE,
        parameters=IDENTITY,
    )
    def get(self, request: Request, identity: str) -> Response:
        """One resource with everything that is known of it

        `resource` is what the state has; `details` is what is read less often: configuration, snapshots, file systems, disks,
        certificates and so on, with the instants at which they were read, and under `concerns` what is wrong. The id that a
        guest had before it was migrated leads to it too.
        """
        found = find(identity)
        details = details_of(
            found, store().load(JUDGEMENT) or NOTHING_JUDGED, at_epoch=timezone.now().timestamp()
        )
        details["concerns"] = concerns_of(found)
        return Response(
            answers.Resource(found.item.id, found.collection, msgspec.Raw(found.item.body), details)
        )


class ExplanationView(Endpoint):
    """Where numbers come from."""

    @Operation(
        Access.MONITORING_READ,
        Tag.MONITORING,
        {200: answers.Explanation},
        refuses=NO_RESOURCE,
        parameters=IDENTITY,
    )
    def get(self, request: Request, identity: str) -> Response:
        """Where each number of a resource comes from

        Its formula, the fields of Proxmox that went into it, the call that told them, and how old they are; how far the number
        is to be trusted, and why.
        """
        found = find(identity)
        told = list(numbers_of(found, at_epoch=timezone.now().timestamp()))
        return Response(answers.Explanation(found.item.id, found.collection, told))


def find(identity: str) -> Found:
    """Return the resource with this id, or the guest that had it before it moved; raises ApiError 404."""
    located = store().find(identity) or moved_guest(identity, store().fragments())
    found = found_in(located) if located is not None else None
    if found is None:
        raise ApiError(404, f"there is no resource called {identity!r:.200}", code="resource_not_found")
    return found


def found_in(located: Located) -> Found | None:
    """Return a resource with what is known of it, None when it has gone in this moment."""
    fragment, collection, item = located
    pk = fragment.key.instance_id
    memory = store().load(MEMORY, of=pk) or PollMemory()
    label = Label(fragment.name, storage_ids=memory.storage_ids)
    figures = figures_behind(located, memory.figures, label)
    if figures is None:
        return None
    return Found(fragment.name, pk, collection, item, figures, memory, store().load(FACTS, of=pk) or Facts())


def moved_guest(identity: str, fragments: Fragments) -> Located | None:
    """Return where the guest is whose id of before its migration this is.

    Ids are never parsed, names hold dashes: each node that its instance has ever had is tried with the number behind it.
    """
    head, _, number = identity.rpartition("-")
    if not VMID.fullmatch(number) or not head:
        return None
    for instance in Instance.objects.polled():
        fragment = fragments.get(FragmentKey(instance.pk, "resources"))
        if fragment is None or not head.startswith(f"{instance.name}-"):
            continue
        node = head.removeprefix(f"{instance.name}-")
        if Node.objects.filter(instance=instance, name=node).exists():
            located = located_guest(fragment, int(number))
            if located is not None:
                return located
    return None


def numbers_of(found: Found, *, at_epoch: float) -> Iterator[Number]:
    """Yield the explained numbers of a resource."""
    memory, facts = found.memory, found.facts
    match found.figures:
        case GuestFigures() as guest:
            return numbers.guest_numbers(guest, memory, facts, at_epoch=at_epoch)
        case NodeFigures() as node:
            return numbers.node_numbers(node, memory, facts, at_epoch=at_epoch)
        case StorageFigures() as storage:
            return numbers.storage_numbers(storage, memory, facts, at_epoch=at_epoch)
        case ServerFigures() as server:
            return server_numbers.pbs_numbers(server, memory, facts, at_epoch=at_epoch)
        case GatewayFigures() as gateway:
            return server_numbers.pmg_numbers(gateway, memory, at_epoch=at_epoch)


def details_of(found: Found, judgement: Judgement, *, at_epoch: float) -> dict[str, Any]:
    """Return what was collected of a resource, in our own words; instants are RFC 3339."""
    facts, pk = found.facts, found.instance_id
    match found.figures:
        case GuestFigures(vmid=vmid):
            return guest_details(vmid, facts) | {
                "backups": backup_details(judgement, found, vmid),
                "replication": [
                    told for told in replication_details(found, at_epoch=at_epoch) if told["vmid"] == vmid
                ],
            }
        case NodeFigures(name=name):
            jobs = [told for told in replication_details(found, at_epoch=at_epoch) if told["source"] == name]
            disks = disk_details(facts.node(name), pk)
            return node_details(name, found.memory, facts, at_epoch=at_epoch) | disks | {"replication": jobs}
        case StorageFigures(name=name):
            return {"definition": next((one for one in facts.storages if one.name == name), None)}
        case ServerFigures():
            return server_details(found.memory, facts, judgement, pk, at_epoch=at_epoch) | disk_details(
                facts.host, pk
            )
        case GatewayFigures():
            return gateway_details(found.memory)


def guest_details(vmid: int, facts: Facts) -> dict[str, Any]:
    """Return configuration, snapshots, file systems, addresses and pressure of a guest."""
    known = facts.guest(vmid)
    return {
        "configuration": known.config,
        "configurationRead": instant(known.config_epoch),
        "snapshots": known.snapshots,
        "snapshotsRead": instant(known.snapshots_epoch),
        "filesystems": known.disk,
        "filesystemsRead": instant(known.disk_epoch),
        "mountPoints": mount_points(known.config),
        "agentCode": known.agent_code,
        "addresses": known.addresses,
        "addressesRead": instant(known.addresses_epoch),
        "detail": known.detail,
        "detailRead": instant(known.detail_epoch),
        "tasks": task_details(task for task in facts.tasks if task.subject == str(vmid)),
        "ha": next(
            (one for one in (facts.ha.services if facts.ha else ()) if one.id.endswith(f":{vmid}")), None
        ),
    }


def mount_points(config: GuestConfigReading | None) -> list[dict[str, Any]] | None:
    """Return the mount points of a container beside its root, None while they are not known; a VM has none.

    How full they are Proxmox does not tell.
    """
    if config is None:
        return None
    return [
        {
            "key": disk.key,
            "mountPoint": disk.mount_point,
            "volume": disk.volume,
            "size": disk.size_bytes,
            "used": None,
            "reason": "not_told",
        }
        for disk in config.disks
        if disk.key.startswith("mp")
    ]


def concerns_of(found: Found) -> list[ConcernShape]:
    """Return what is wrong with a resource as the state has it; a node tells of its whole cluster too, last."""
    fragment = store().fragments().get(FragmentKey(found.instance_id, "resources"))
    about = {found.item.id, ""} if isinstance(found.figures, NodeFigures) else {found.item.id}
    concerns = concerns_in(fragment, about) if fragment is not None else []
    return sorted(concerns, key=lambda one: (one.level, not one.resourceId))


def replication_details(found: Found, *, at_epoch: float) -> Iterator[dict[str, Any]]:
    """Yield every configured replication job with how it goes, and when its node told that."""
    reading = found.memory.reading
    nodes = nodes_of(reading.guests if reading is not None else ())
    for one in replications(found.facts, nodes, at_epoch=at_epoch):
        yield msgspec.structs.asdict(one.job) | {"state": one.state, "read": instant(one.told_epoch)}


def backup_details(judgement: Judgement, found: Found, vmid: int) -> dict[str, Any] | None:
    """Return what is judged of a guest's backups, None while nothing is; each place on a PBS with its evidence."""
    judged = judgement.coverage_of(found.instance_id).get(vmid)
    if judged is None:
        return None
    told: dict[str, Any] = msgspec.to_builtins(judged)
    for name in ("last_good_epoch", "due_epoch"):
        told[name] = instant(told[name]) if told[name] else None
    if judged.last_run is not None:
        told["last_run"]["outcome"] = judged.last_run.outcome
    names = {
        key.instance_id: fragment.name
        for key, fragment in store().fragments().items()
        if key.part == "resources"
    }
    told["attributions"] = [
        {"server": names.get(pk, ""), "group": key, "evidence": one.evidence}
        for pk, owned in judgement.attributions.items()
        for key, one in owned.items()
        if one.state == "attributed" and (one.instance, one.vmid) == (found.instance, vmid)
    ]
    return told


def node_details(name: str, memory: PollMemory, facts: Facts, *, at_epoch: float) -> dict[str, Any]:
    """Return everything about one node."""
    known, held = facts.node(name), facts.permissions
    versions = {node: one.version for node, one in facts.nodes.items() if one.version}
    return {
        "status": memory.details.get(name),
        "statusRead": instant(memory.details_epoch.get(name)),
        "version": known.version,
        "versionsDiffer": len(set(versions.values())) > 1,
        "clusterVersions": versions,
        "storages": known.storages,
        "storagesRead": instant(known.storages_epoch),
        "thinPools": known.thin_pools,
        "certificates": known.certificates,
        "certificatesRead": instant(known.certificates_epoch),
        "subscription": known.subscription,
        "subscriptionRead": instant(known.subscription_epoch),
        "updates": known.updates,
        "updatesRead": instant(known.updates_epoch),
        "mayReadUpdates": None if held is None else held.has(f"/nodes/{name}", "Sys.Modify"),
        "pressure": known.history.pressure if known.history is not None else None,
        "pressureRead": instant(known.history_epoch),
        "timeZone": known.time_zone,
        "tasks": task_details(task for task in facts.tasks if task.node == name),
        "ha": facts.ha,
        "quorum": memory.cluster.is_quorate if memory.cluster is not None else None,
        "quorumDetail": quorum_details(memory.cluster, facts, at_epoch=at_epoch),
        "ceph": facts.ceph,
        "cephOsds": [one for one in facts.ceph_osds if one.host == name],
        "cephPools": facts.ceph_pools,
    }


def quorum_details(cluster: ClusterReading | None, facts: Facts, *, at_epoch: float) -> dict[str, Any] | None:
    """Return the votes of a cluster and its QDevice as the answering node sees them, None for a host of its own."""
    if cluster is None or not cluster.is_cluster:
        return None
    is_known = at_epoch - facts.qdevice_epoch <= TOLD_SECONDS
    quorum = quorum_of(cluster, facts.votes, facts.qdevice, qdevice_is_known=is_known)
    return {
        "name": cluster.name,
        "configVersion": cluster.config_version,
        "expectedVotes": quorum.expected_votes,
        "presentVotes": quorum.present_votes,
        "neededVotes": quorum.needed_votes,
        "nodes": [{"node": one.node, "votes": one.votes, "online": one.is_online} for one in quorum.nodes],
        "qdevice": qdevice_details(facts.qdevice, quorum.qdevice_votes),
        "qdeviceKnown": is_known,
        "seenFrom": next((member.name for member in cluster.members if member.is_local), ""),
        "votesRead": instant(facts.votes_epoch),
        "qdeviceRead": instant(facts.qdevice_epoch),
    }


def qdevice_details(qdevice: QdeviceReading | None, votes: int | None) -> dict[str, Any] | None:
    """Return a QDevice as its daemon tells of it."""
    if qdevice is None:
        return None
    return {
        "model": qdevice.model,
        "host": qdevice.host,
        "state": qdevice.state,
        "connected": qdevice.is_connected,
        "castsVote": qdevice.casts_vote,
        "votes": votes,
        "algorithm": qdevice.algorithm,
        "tieBreaker": qdevice.tie_breaker,
        "lastPoll": qdevice.last_poll,
    }


def disk_details(known: NodeFacts, instance_id: int) -> dict[str, Any]:
    """Return disks and ZFS pools of a host, and whether its disks are to be asked by SMART."""
    return {
        "zfsPools": known.zfs_pools,
        "disks": shown_disks(known),
        "disksRead": instant(known.disks_epoch),
        "smartIsRead": Instance.objects.filter(pk=instance_id, reads_smart=True).exists(),
    }
