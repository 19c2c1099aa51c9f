"""Routes about the reading of Proxmox's own records. All of them are our own."""

from __future__ import annotations

import re

from django.utils import timezone
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from monitoring.api.answers_backfills import Backfills, BackfillShape
from monitoring.history import backfill as orders
from monitoring.history.backfill.orders import LONGEST_DAYS, AlreadyOpen
from monitoring.models import Backfill
from nodes.models import Instance
from pulse.lib.auth import Access
from pulse.lib.endpoints import Endpoint, Operation, Parameter, Refusal, Tag
from pulse.lib.errors import ApiError
from pulse.lib.fields import TextField, WholeField
from pulse.lib.instants import from_epoch, rfc3339

#: How many are listed.
LISTED = 100
#: Such as `pve-0`.
WIRE_ID = re.compile(r"(pve|pbs|pmg)-(0|[1-9][0-9]{0,8})", re.ASCII)
NUMBER = re.compile(r"[1-9][0-9]{0,17}", re.ASCII)
NO_INSTANCE = Refusal("node_not_found", "There is no instance with this id.")


class BackfillSerializer(serializers.Serializer[Backfill]):
    """Whose records are to be read, and of how many days; without `days` all that the host still has.

    `instance` is an id of `/api/config/nodes`.
    """

    instance = TextField(required=True)  # type: ignore[assignment]  # REST framework takes it out of the class
    days = WholeField(1, LONGEST_DAYS)


class BackfillListView(Endpoint):
    """What is read of the records of hosts."""

    @Operation(Access.MONITORING_READ, Tag.MONITORING, {200: Backfills})
    def get(self, request: Request) -> Response:
        """How far Proxmox's own records were read

        They are read when an instance was added, when nothing was seen of it for a while, and when somebody asks for it: a few objects
        at a time, while nothing else is asked of the host.
        """
        listed = Backfill.objects.select_related("instance").order_by("-created_at", "-pk")[:LISTED]
        return Response(Backfills([shape_of(one) for one in listed]))

    @Operation(
        Access.SETTINGS_WRITE,
        Tag.MONITORING,
        {201: BackfillShape},
        takes=BackfillSerializer,
        refuses={404: NO_INSTANCE, 409: Refusal("already_open", "It was asked for, and is not read yet.")},
    )
    def post(self, request: Request) -> Response:
        """Read the records of an instance once more

        It begins within seconds. Where Pulse has samples of its own they stay, and are shown.
        """
        fields = self.taken(request)
        match = WIRE_ID.fullmatch(fields["instance"])
        found = Instance.objects.by_wire_id(match[1], int(match[2])).first() if match else None
        if found is None:
            raise ApiError(404, "node not found", code="node_not_found")
        if found.is_paused:
            raise ApiError(400, "the instance is paused", details={"instance": "is paused"})
        try:
            order = orders.ask(found, days=fields.get("days"), at=timezone.now())
        except AlreadyOpen:
            raise ApiError(409, "its records are being read already", code="already_open") from None
        return Response(shape_of(order), status=201)


class BackfillCancelView(Endpoint):
    """The end of one."""

    @Operation(
        Access.SETTINGS_WRITE,
        Tag.MONITORING,
        {200: BackfillShape},
        refuses={
            404: Refusal("backfill_not_found", "There is no such reading."),
            409: Refusal("already_ended", "It has ended already."),
        },
        parameters={"backfill_id": Parameter("The id of a reading, as it is listed.", "7")},
    )
    def post(self, request: Request, backfill_id: str) -> Response:
        """Read no further

        What was read until then is kept.
        """
        found = Backfill.objects.select_related("instance")
        order = found.filter(pk=int(backfill_id)).first() if NUMBER.fullmatch(backfill_id) else None
        if order is None:
            raise ApiError(404, "there is no such reading", code="backfill_not_found")
        if not orders.cancel(order, at=timezone.now()):
            raise ApiError(409, "it has ended already", code="already_ended")
        order.refresh_from_db()
        return Response(shape_of(order))


def shape_of(order: Backfill) -> BackfillShape:
    """Return an order as it is answered."""
    return BackfillShape(
        id=order.pk,
        instance_id=order.instance.wire_id,
        instance_name=order.instance.name,
        reason=order.reason,
        state=order.state,
        start=None if order.start_epoch is None else rfc3339(from_epoch(order.start_epoch)),
        end=rfc3339(from_epoch(order.end_epoch)),
        done=order.done_count,
        total=order.total_count,
        failed=order.failed_count,
        message=order.message,
        created=rfc3339(order.created_at),
        ended=None if order.ended_at is None else rfc3339(order.ended_at),
    )
