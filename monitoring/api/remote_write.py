"""The routes of the engines to which samples are written."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NoReturn

from django.utils import timezone
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from monitoring.api.answers_remote import (
    RemoteWriteTargets,
    RemoteWriteTargetShape,
    RemoteWriteTested,
    shape_of,
)
from monitoring.exporting.remote import standing, targets
from monitoring.exporting.remote.drafts import Draft
from monitoring.models import RemoteWriteTarget
from nodes.drafts import NotValid
from pulse.lib.auth import Access, Limit
from pulse.lib.crypto import SealBroken
from pulse.lib.endpoints import Done, Endpoint, Operation, Parameter, Refusal, Tag
from pulse.lib.errors import ApiError
from pulse.lib.fields import TextField, TextMapField, TruthField, WholeField

#: A try reaches out to another machine: nobody may scan a network with it.
TESTS = Limit("remote-write-test", 10, 60)
CHANGES = Limit("remote-write-change", 30, 60)

NO_TARGET = {404: Refusal("target_not_found", "There is no target with this id.")}
TARGET_ID = {"target_id": Parameter("The id of a target, as it is listed.", "1")}


class RemoteWriteSerializer(serializers.Serializer[Any]):
    """What a person decides about a target. Secrets go in and are never told."""

    name = TextField()
    url = TextField()
    enabled = TruthField(source="is_enabled")
    login = TextField()
    user = TextField()
    password = TextField(write_only=True)
    token = TextField(write_only=True)
    tenant = TextField()
    extraLabels = TextMapField(source="extra_labels")
    stepSeconds = WholeField(0, 60, source="step_seconds")
    verifySSL = TruthField(source="verify_tls")
    fingerprint = TextField()


#: Our names to those of the wire, where they differ.
WIRE_NAMES = {
    field.source: name
    for name, field in RemoteWriteSerializer().fields.items()
    if field.source and field.source != name
}


class RemoteWriteListView(Endpoint):
    """All targets."""

    @Operation(Access.SETTINGS_READ, Tag.MONITORING, {200: RemoteWriteTargets})
    def get(self, request: Request) -> Response:
        """List the engines to which samples are written

        Prometheus, VictoriaMetrics, Mimir, Thanos and whatever else takes Prometheus remote write 1.0. Secrets are never told.
        """
        at = timezone.now()
        return Response(RemoteWriteTargets([shape_of(one, at=at) for one in RemoteWriteTarget.objects.all()]))

    @Operation(
        Access.SETTINGS_WRITE,
        Tag.MONITORING,
        {201: RemoteWriteTargetShape},
        takes=RemoteWriteSerializer,
        limit=CHANGES,
    )
    def post(self, request: Request) -> Response:
        """Let samples be written to an engine

        `name` and `url` are needed; `url` is the whole address, such as `https://metrics.lab:8428/api/v1/write`. `user` with `password`,
        or `token`, is its login. The engine need not answer now. It gets what is sampled from now on, under the names that
        `/metrics` has.
        """
        with refusals():
            target = targets.add(Draft(**self.taken(request)), at=timezone.now())
        return Response(shape_of(target, at=timezone.now()), status=201)


class RemoteWriteView(Endpoint):
    """One target."""

    @Operation(
        Access.SETTINGS_WRITE,
        Tag.MONITORING,
        {200: RemoteWriteTargetShape},
        takes=RemoteWriteSerializer,
        refuses=NO_TARGET,
        parameters=TARGET_ID,
        limit=CHANGES,
    )
    def put(self, request: Request, target_id: int) -> Response:
        """Change to where and how samples are written

        What the body leaves out stays as it is. Another `url`, `verifySSL` switched off, and a fingerprint that is set, taken away or
        replaced where the certificate was checked, demand the secret again in the same request: 400 otherwise, and nothing is
        changed. What is sampled while a target is not `enabled` is not sent afterwards.
        """
        with refusals():
            target = targets.change(target_id, Draft(**self.taken(request)))
        return Response(shape_of(target, at=timezone.now()))

    @Operation(Access.SETTINGS_WRITE, Tag.MONITORING, {200: Done}, refuses=NO_TARGET, parameters=TARGET_ID)
    def delete(self, request: Request, target_id: int) -> Response:
        """Write no more samples to an engine

        The target and its secrets are deleted. What it was sent stays there.
        """
        with refusals():
            targets.remove(target_id)
        return Response(Done())


class RemoteWriteTestView(Endpoint):
    """A try of a target."""

    limit = TESTS

    @Operation(
        Access.SETTINGS_WRITE,
        Tag.MONITORING,
        {200: RemoteWriteTested},
        refuses=NO_TARGET,
        parameters=TARGET_ID,
    )
    def post(self, request: Request, target_id: int) -> Response:
        """Try an engine now

        A message without samples tries address, certificate, path and login, and changes nothing there. When it is taken, what waits
        is sent within ten seconds.
        """
        target = RemoteWriteTarget.objects.filter(pk=target_id).first()
        if target is None:
            refuse_unknown()
        problem = standing.try_now(target, at=timezone.now())
        return Response(
            RemoteWriteTested("error", problem)
            if problem
            else RemoteWriteTested("success", f"{target.name} takes samples")
        )


def refuse_unknown() -> NoReturn:
    """Answer that the target does not exist."""
    raise ApiError(404, "target not found", code="target_not_found")


@contextmanager
def refusals() -> Iterator[None]:
    """Turn what a verb refuses into the answer of the API."""
    try:
        yield
    except targets.UnknownTarget:
        refuse_unknown()
    except NotValid as error:
        name = WIRE_NAMES.get(error.field, error.field)
        raise ApiError(400, error.message, details={name: error.message}) from None
    except SealBroken as error:
        raise ApiError(500, f"the secret cannot be stored: {error}") from None
