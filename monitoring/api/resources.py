"""Routes about one resource: everything that is known of it, and where each number comes from."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import msgspec
from django.utils import timezone
from rest_framework.request import Request
from rest_framework.response import Response

from monitoring.api import answers
from monitoring.api.forecasts import forecasts_of
from monitoring.api.subjects import Shown, located_resource, with_rows
from monitoring.backups.judgement import JUDGEMENT, NOTHING_JUDGED
from monitoring.figures.guests import GuestFigures
from monitoring.figures.nodes import NodeFigures
from monitoring.figures.servers import GatewayFigures, ServerFigures
from monitoring.figures.storages import StorageFigures
from monitoring.history.metrics import Kind
from monitoring.known.facts import FACTS, Facts
from monitoring.known.memory import MEMORY, PollMemory
from monitoring.store.current import store
from monitoring.wire import numbers, server_numbers
from monitoring.wire.details import Background, Details
from monitoring.wire.finding import Resource, figures_behind
from monitoring.wire.fragments import FragmentKey, Item, Located, concerns_in
from monitoring.wire.guest_details import guest_details, storage_details
from monitoring.wire.ids import Label
from monitoring.wire.node_details import node_details
from monitoring.wire.numbers import Number
from monitoring.wire.outdated import outdated_details
from monitoring.wire.server_details import gateway_details, server_details
from monitoring.wire.shapes import ConcernShape
from monitoring.wire.spelling import spell
from nodes.models import Instance
from pulse.lib.auth import Access
from pulse.lib.endpoints import Endpoint, Operation, Parameter, Refusal, Tag
from pulse.lib.errors import ApiError


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
        certificates and so on, with the instants at which they were read, and under `concerns` what is wrong. `stale` has the keys
        of what was read too long ago to say anything about now. The id that a
        guest had before it was migrated leads to it too.
        """
        found = find(identity)
        details = spell(details_of(found, at_epoch=timezone.now().timestamp()))
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
    located = located_resource(identity)
    found = found_in(located) if located is not None else None
    if found is None:
        raise ApiError(404, f"there is no resource called {identity!r:.200}", code="resource_not_found")
    return found


def found_in(located: Located) -> Found | None:
    """Return a resource with what is known of it, None when it has gone in this moment."""
    fragment, collection, item = located
    pk = fragment.key.instance_id
    memory = store().load(MEMORY, of=pk) or PollMemory()
    label = Label(fragment.name, storage_ids=memory.storage_ids, node_ids=memory.node_ids)
    figures = figures_behind(located, memory.figures, label)
    if figures is None:
        return None
    return Found(fragment.name, pk, collection, item, figures, memory, store().load(FACTS, of=pk) or Facts())


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


def details_of(found: Found, *, at_epoch: float) -> Details:
    """Return what was collected of a resource."""
    background = background_of(found, at_epoch=at_epoch)
    match found.figures:
        case GuestFigures() as guest:
            return guest_details(guest, background)
        case NodeFigures() as node:
            return node_details(node, background)
        case StorageFigures() as storage:
            return storage_details(storage, background)
        case ServerFigures():
            return server_details(background)
        case GatewayFigures():
            return gateway_details(background)


def background_of(found: Found, *, at_epoch: float) -> Background:
    """Return what the details of a resource are made of."""
    fragments = store().fragments().items()
    return Background(
        instance=found.instance,
        instance_id=found.instance_id,
        memory=found.memory,
        facts=found.facts,
        judgement=store().load(JUDGEMENT) or NOTHING_JUDGED,
        concerns=concerns_of(found),
        stale=outdated_details(found.figures, found.facts, at_epoch=at_epoch),
        reads_smart=Instance.objects.filter(pk=found.instance_id, reads_smart=True).exists(),
        instance_names={key.instance_id: one.name for key, one in fragments if key.part == "resources"},
        at_epoch=at_epoch,
        forecasts=forecasts_of(*row_of(found), at_epoch=at_epoch),
    )


def row_of(found: Found) -> tuple[int, Kind, int | None]:
    """Return instance, kind and row of a resource."""
    label = Label(found.instance, storage_ids=found.memory.storage_ids, node_ids=found.memory.node_ids)
    shown = Shown(found.instance_id, 0, label, found.memory)
    (subject,) = with_rows(shown, [(found.item.id, found.figures)], is_all=False)
    return found.instance_id, subject.kind, subject.pk


def concerns_of(found: Found) -> tuple[ConcernShape, ...]:
    """Return what is wrong with a resource as the state has it; a node tells of its whole cluster too, last."""
    fragment = store().fragments().get(FragmentKey(found.instance_id, "resources"))
    about = {found.item.id, ""} if isinstance(found.figures, NodeFigures) else {found.item.id}
    concerns = concerns_in(fragment, about) if fragment is not None else []
    return tuple(sorted(concerns, key=lambda one: (one.level, not one.resourceId)))
