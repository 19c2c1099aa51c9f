"""Routes about one resource: everything that is known of it, and where each number comes from."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import msgspec
from django.http import HttpRequest, HttpResponse
from django.utils import timezone

from monitoring import explaining
from monitoring.backups.attribution import VMID
from monitoring.backups.judgement import Judgement
from monitoring.explaining import Number
from monitoring.facts import Facts
from monitoring.fragments import RESOURCES, Fragment
from monitoring.memory import PollMemory
from monitoring.resources import GuestView, NodeView, PbsView, PmgView, StorageView
from monitoring.store import store
from nodes.models import Instance, Node
from pulse.lib.auth import Access, policy
from pulse.lib.errors import ApiError
from pulse.lib.instants import instant

View = NodeView | GuestView | StorageView | PbsView | PmgView
VIEWS: Mapping[str, type[View]] = {
    "nodes": NodeView,
    "vms": GuestView,
    "containers": GuestView,
    "storage": StorageView,
    "pbs": PbsView,
    "pmg": PmgView,
}


class Found(NamedTuple):
    """A resource of the state, and what is remembered of its instance."""

    instance_id: int
    collection: str
    view: View
    memory: PollMemory
    facts: Facts


@policy(GET=Access.MONITORING_READ)
def resource(request: HttpRequest, identity: str) -> HttpResponse:
    """Return a resource as the state has it, and beside it all that was collected of it with the instants of it."""
    found = find(identity)
    details = details_of(found, store().load_judgement())
    return answer(
        {"id": found.view.id, "collection": found.collection, "resource": found.view, "details": details}
    )


@policy(GET=Access.MONITORING_READ)
def explain(request: HttpRequest, identity: str) -> HttpResponse:
    """Return every number of a resource with its formula, the fields of Proxmox, the call and its time."""
    found = find(identity)
    numbers = list(numbers_of(found, at=timezone.now().timestamp()))
    return answer({"id": found.view.id, "collection": found.collection, "numbers": numbers})


def answer(body: dict[str, Any]) -> HttpResponse:
    """Return the object as JSON that no cache keeps."""
    return HttpResponse(
        msgspec.json.encode(body), content_type="application/json", headers={"Cache-Control": "no-store"}
    )


def find(identity: str) -> Found:
    """Return the resource with this id, or the guest that had it before it moved; raises ApiError 404."""
    fragments = store().fragments()
    for fragment in fragments.values():
        for collection in RESOURCES:
            for item in fragment.items.get(collection, ()):
                if item.id == identity:
                    return found_in(fragment, collection, item.body)
    moved = moved_guest(identity, fragments)
    if moved is not None:
        return moved
    raise ApiError(404, f"there is no resource called {identity!r:.200}", code="resource_not_found")


def found_in(fragment: Fragment, collection: str, body: bytes) -> Found:
    """Return the resource behind an item."""
    pk = fragment.instance_id
    view = msgspec.json.decode(body, type=VIEWS[collection])
    memory = store().load_memory(pk) or PollMemory()
    return Found(pk, collection, view, memory, store().load_facts(pk) or Facts())


def moved_guest(identity: str, fragments: Mapping[int, Fragment]) -> Found | None:
    """Return the guest whose id of before its migration this is.

    Ids are never parsed, names hold dashes: each node that its instance has ever had is tried with the number behind it.
    """
    head, _, number = identity.rpartition("-")
    if not VMID.fullmatch(number) or not head:
        return None
    for instance in Instance.objects.polled():
        fragment = fragments.get(instance.pk)
        if fragment is None or not head.startswith(f"{instance.name}-"):
            continue
        node = head.removeprefix(f"{instance.name}-")
        if not Node.objects.filter(instance=instance, name=node).exists():
            continue
        for collection in ("vms", "containers"):
            for item in fragment.items.get(collection, ()):
                if item.order[0] == int(number):
                    return found_in(fragment, collection, item.body)
    return None


def numbers_of(found: Found, *, at: float) -> Iterator[Number]:
    """Yield the explained numbers of a resource."""
    view, memory, facts = found.view, found.memory, found.facts
    if isinstance(view, GuestView):
        return explaining.guest_numbers(view, memory, facts, at=at)
    if isinstance(view, NodeView):
        return explaining.node_numbers(view, memory, facts, at=at)
    if isinstance(view, StorageView):
        return explaining.storage_numbers(view, memory, facts, at=at)
    if isinstance(view, PbsView):
        return explaining.pbs_numbers(view, memory, facts, at=at)
    return explaining.pmg_numbers(view, memory, at=at)


def details_of(found: Found, judgement: Judgement) -> dict[str, Any]:
    """Return what was collected of a resource, in our own words; instants are RFC 3339."""
    view, facts = found.view, found.facts
    if isinstance(view, GuestView):
        return guest_details(view, facts) | {
            "backups": backup_details(judgement, found.instance_id, view),
            "replication": [
                job for known in facts.nodes.values() for job in known.replications if job.vmid == view.vmid
            ],
        }
    if isinstance(view, NodeView):
        return node_details(view, found.memory, facts)
    if isinstance(view, StorageView):
        return {"definition": next((one for one in facts.storages if one.name == view.name), None)}
    if isinstance(view, PbsView):
        return server_details(facts, judgement, found.instance_id)
    return {"queues": found.memory.mail_queues, "queuesRead": instant(found.memory.mail_queues_at)}


def guest_details(view: GuestView, facts: Facts) -> dict[str, Any]:
    """Return configuration, snapshots, file systems, addresses and pressure of a guest."""
    known = facts.guest(view.vmid)
    return {
        "configuration": known.config,
        "configurationRead": instant(known.config_at),
        "snapshots": known.snapshots,
        "snapshotsRead": instant(known.snapshots_at),
        "filesystems": known.disk,
        "filesystemsRead": instant(known.disk_at),
        "agentCode": known.agent_code,
        "addresses": known.addresses,
        "addressesRead": instant(known.addresses_at),
        "detail": known.detail,
        "detailRead": instant(known.detail_at),
        "tasks": [task for task in facts.tasks if task.subject == str(view.vmid)],
        "ha": next(
            (one for one in (facts.ha.services if facts.ha else ()) if one.id.endswith(f":{view.vmid}")), None
        ),
    }


def backup_details(judgement: Judgement, instance_id: int, view: GuestView) -> dict[str, Any] | None:
    """Return what is judged of a guest's backups, None while nothing is; each place on a PBS with its evidence."""
    judged = judgement.coverage_of(instance_id).get(view.vmid)
    if judged is None:
        return None
    told: dict[str, Any] = msgspec.to_builtins(judged)
    for name in ("last_good_at", "due_at"):
        told[name] = instant(told[name]) if told[name] else None
    names = {key: fragment.name for key, fragment in store().fragments().items()}
    told["attributions"] = [
        {"server": names.get(pk, ""), "group": key, "evidence": one.evidence}
        for pk, owned in judgement.attributions.items()
        for key, one in owned.items()
        if one.state == "attributed" and (one.instance, one.vmid) == (view.instance, view.vmid)
    ]
    return told


def done_at(facts: Facts, errand: str) -> str:
    """Return when an errand last succeeded, the zero time when it never did."""
    known = facts.progress.get(errand)
    return instant(known.done_at if known is not None else None)


def node_details(view: NodeView, memory: PollMemory, facts: Facts) -> dict[str, Any]:
    """Return everything about one node."""
    known, held = facts.node(view.name), facts.permissions
    versions = {name: one.version for name, one in facts.nodes.items() if one.version}
    return {
        "status": memory.details.get(view.name),
        "statusRead": instant(memory.details_at.get(view.name)),
        "version": known.version,
        "versionsDiffer": len(set(versions.values())) > 1,
        "clusterVersions": versions,
        "storages": known.storages,
        "storagesRead": instant(known.storages_at),
        "zfsPools": known.zfs_pools,
        "thinPools": known.thin_pools,
        "disks": known.disks,
        "disksRead": instant(known.disks_at),
        "certificates": known.certificates,
        "certificatesRead": done_at(facts, f"certificates/{view.name}"),
        "subscription": known.subscription,
        "subscriptionRead": done_at(facts, f"subscription/{view.name}"),
        "updates": known.updates,
        "updatesRead": done_at(facts, f"updates/{view.name}"),
        "mayReadUpdates": None if held is None else held.has(f"/nodes/{view.name}", "Sys.Modify"),
        "pressure": known.pressure,
        "pressureRead": instant(known.pressure_at),
        "replication": known.replications,
        "timeZone": known.time_zone,
        "tasks": [task for task in facts.tasks if task.node == view.name],
        "ha": facts.ha,
        "quorum": memory.cluster.is_quorate if memory.cluster is not None else None,
        "ceph": facts.ceph,
        "cephOsds": [one for one in facts.ceph_osds if one.host == view.name],
        "cephPools": facts.ceph_pools,
    }


def server_details(facts: Facts, judgement: Judgement, instance_id: int) -> dict[str, Any]:
    """Return everything about one backup server; groups with whose they are, and why."""
    owned = judgement.attributions_of(instance_id)
    return {
        "certificates": facts.host.certificates,
        "subscription": facts.host.subscription,
        "timeZone": facts.host.time_zone,
        "tasks": facts.tasks,
        "places": {
            key: {
                "groups": place.groups,
                "groupsRead": instant(place.groups_at),
                "snapshotsRead": instant(place.snapshots_at),
            }
            for key, place in facts.places.items()
        },
        "attributions": owned,
    }
