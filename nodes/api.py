"""The configuration routes of the instances, which the wire calls nodes. Source: http-api.md section 5."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NoReturn

import msgspec
from django.db import DatabaseError
from django.http import HttpRequest, HttpResponse
from django.utils import timezone

from nodes import configuring, connecting, editing, permissions, probe
from nodes.addresses import normalise_host, spelled_fingerprint
from nodes.choices import InstanceKind
from nodes.doctor.examination import Finding, repairs
from nodes.drafts import UNKNOWN_KIND, WIRE_NAMES, Draft, NotValid, draft_of
from nodes.models import Instance
from nodes.probe import Probe
from nodes.proxmox.client import Target
from nodes.proxmox.errors import ProxmoxError
from nodes.serializers import HostSerializer, InstanceSerializer
from pulse.lib.auth import Access, Limit, policy
from pulse.lib.body import read_json_object
from pulse.lib.crypto import SealBroken
from pulse.lib.errors import ApiError
from pulse.lib.fields import read_fields
from pulse.lib.instants import rfc3339
from pulse.lib.logs import without_secrets

logger = logging.getLogger(__name__)

#: A try reaches out to other machines: nobody may scan a network with it, or wear a login out.
TESTS = Limit("connection-test", 30, 60)
TEST_SECONDS = 10.0

WIRE_ID = re.compile(r"(pve|pbs|pmg)-([0-9]{1,9})")
WIRE_ID_SHAPE = re.compile(r"(pve|pbs|pmg)-[0-9]+")

#: Words by which clients recognise something else (errors.md section 1): a host may not put them into our answers.
SIGNAL_WORDS = re.compile(r"success|unauthorized|api_token", re.IGNORECASE)


@policy(GET=Access.SETTINGS_READ, POST=Access.SETTINGS_WRITE)
def node_list(request: HttpRequest) -> HttpResponse:
    """List the instances, or add one."""
    if request.method == "POST":
        return add_node(request)
    instances = sorted(Instance.objects.prefetch_related("endpoints"), key=place_in_list)
    return answer([InstanceSerializer(instance).data for instance in instances])


def place_in_list(instance: Instance) -> tuple[int, int]:
    """Return where an instance stands in the list: all PVE, then all PBS, then what the contract does not know."""
    return InstanceKind.values.index(instance.kind), instance.number


def add_node(request: HttpRequest) -> HttpResponse:
    """Add an instance: 201, or 200 when it updates one or is part of a configured cluster."""
    body = read_json_object(request)
    with refusals():
        added = editing.add(draft_from(body), at=timezone.now())
    told: dict[str, object] = {"status": "success", "id": added.instance.wire_id}
    if added.outcome is editing.Outcome.MERGED:
        cluster = added.instance.cluster_name
        told |= {"merged": True, "cluster": cluster}
        told["message"] = (
            f"This host belongs to the cluster {cluster}, which is monitored as {added.instance.name}"
        )
    elif added.outcome is editing.Outcome.UPDATED:
        told["message"] = f"This host was configured already; {added.instance.name} is updated"
    else:
        told["message"] = f"{added.instance.name} is added"
    return answer(told, status=201 if added.outcome is editing.Outcome.ADDED else 200)


@policy(PUT=Access.SETTINGS_WRITE, DELETE=Access.SETTINGS_WRITE)
def node_detail(request: HttpRequest, node_id: str = "") -> HttpResponse:
    """Change one instance, or remove it."""
    if request.method == "PUT":
        return change_node(request, node_id)
    kind, number = read_wire_id(node_id)
    with refusals():
        editing.remove(pk_of(kind, number), at=timezone.now())
    return answer({"status": "success"})


def change_node(request: HttpRequest, node_id: str) -> HttpResponse:
    """Change what the body says and nothing else."""
    body = read_json_object(request)
    body.pop("type", None)  # the id decides
    fields = read_fields(InstanceSerializer, body)
    kind, number = read_wire_id(node_id)
    draft = draft_of(fields, kind=kind)
    with refusals():
        instance = editing.change(pk_of(kind, number), draft, at=timezone.now())
    return answer({"status": "success", "id": instance.wire_id, "message": f"{instance.name} is updated"})


@policy(POST=Access.SETTINGS_WRITE, limit=TESTS)
def test_connection(request: HttpRequest) -> HttpResponse:
    """Try the connection that the body describes; nothing is stored. A failure is 400."""
    body = read_json_object(request)
    with refusals():
        found = tried(configuring.target_of(draft_from(body)))
    return answer(connection_found(found))


@policy(POST=Access.SETTINGS_WRITE, limit=TESTS)
def test_config(request: HttpRequest) -> HttpResponse:
    """Try the connection that the body describes; only a body that cannot be read is not 200."""
    body = read_json_object(request)
    draft = draft_from(body)
    if draft.kind not in InstanceKind.values:
        raise ApiError(400, UNKNOWN_KIND)
    try:
        found = tried(configuring.target_of(draft))
    except (NotValid, ProxmoxError, SealBroken) as error:
        return answer({"status": "error", "message": sentence(error)})
    return answer(test_passed(found))


@policy(POST=Access.SETTINGS_WRITE, limit=TESTS)
def test_node(request: HttpRequest, node_id: str) -> HttpResponse:
    """Try the stored connection of one instance; 200 for every well-formed id."""
    kind, number = read_wire_id(node_id)
    instance = Instance.objects.by_wire_id(kind, number).first()
    if instance is None:
        return answer({"status": "error", "message": "node not found"})
    try:
        found = tried(connecting.target_of(instance))
    except ProxmoxError as error:
        return answer({"status": "error", "message": sentence(error)})
    return answer(test_passed(found))


@policy(GET=Access.SETTINGS_READ, limit=TESTS)
def node_permissions(request: HttpRequest, node_id: str) -> HttpResponse:
    """Tell what the account of an instance may see, feature by feature, and the lines that give it what is missing."""
    kind, number = read_wire_id(node_id)
    instance = Instance.objects.filter(pk=pk_of(kind, number)).first()
    if instance is None:  # removed in this moment
        raise ApiError(404, "node not found", code="node_not_found")
    with refusals():
        examined = permissions.examine(instance)
    return answer(
        {
            "account": examined.account,
            "version": examined.version,
            "features": [finding_told(finding) for finding in examined.findings],
            "repair": list(repairs(examined.findings)),
            "userRepair": list(repairs(examined.findings, of_user=True)),
        }
    )


def finding_told(finding: Finding) -> dict[str, object]:
    """Return one row of the matrix: what a feature needs at each path, and what the account has."""
    return {
        "feature": finding.feature,
        "title": finding.title,
        "state": finding.state,
        "optional": finding.is_optional,
        "why": finding.why,
        "without": finding.without,
        "note": finding.note,
        "caution": finding.caution,
        "repair": list(finding.repair),
        "userRepair": list(finding.user_repair),
        "userNote": finding.user_note,
        "paths": [
            {
                "path": one.path,
                "needed": list(one.needed),
                "held": list(one.held),
                "missing": list(one.missing),
            }
            for one in finding.paths
        ],
    }


@policy(POST=Access.SETTINGS_WRITE, limit=TESTS)
def certificate(request: HttpRequest) -> HttpResponse:
    """Tell which certificate a host shows, so that a person can confirm it before any credential is sent."""
    fields = read_fields(HostSerializer, read_json_object(request))
    kind, host = fields.get("kind", ""), fields.get("host", "")
    if not host.strip():
        raise ApiError(400, "host is required", details={"host": "is required"})
    if kind not in InstanceKind.values:
        raise ApiError(400, UNKNOWN_KIND, details={"type": "must be pve, pbs or pmg"})
    try:
        url = normalise_host(kind, host)
    except ValueError as error:
        raise ApiError(400, plain(str(error)), details={"host": plain(str(error))}) from None
    with refusals():
        shown = probe.certificate_of(url, timeout_seconds=TEST_SECONDS)
    return answer(
        {
            "host": url,
            "fingerprint": spelled_fingerprint(shown.fingerprint),
            "subject": shown.subject,
            "issuer": shown.issuer,
            "notAfter": rfc3339(shown.not_after),
            "names": list(shown.names),
            "trusted": shown.is_trusted,
        }
    )


def tried(target: Target) -> Probe:
    """Return what one try of a connection found. Raises the ProxmoxError of the step that failed."""
    return probe.probe(target, timeout_seconds=TEST_SECONDS)


def connection_found(found: Probe) -> dict[str, object]:
    """Return the answer to a good connection test (http-api.md 5.7)."""
    told: dict[str, object] = {"status": "success", "message": summary(found), "latency": found.latency_ms}
    if found.kind == InstanceKind.PBS:
        return told | {"datastoreCount": found.datastore_count}
    told |= {"isCluster": found.is_cluster, "nodeCount": found.node_count}
    if found.is_cluster:
        told["clusterNodeCount"] = len(found.cluster.members) if found.cluster else found.node_count
    return told


def test_passed(found: Probe) -> dict[str, object]:
    """Return the answer to a good test of a configuration (http-api.md 5.8)."""
    return {"status": "success", "message": summary(found), "latency": found.latency_ms}


def summary(found: Probe) -> str:
    """Return one sentence about what a try found."""
    if found.kind == InstanceKind.PBS:
        return f"Reached PBS {found.version} with {found.datastore_count} datastore(s)"
    return f"Reached {found.node_count} node(s), {found.kind.upper()} {found.version}"


def draft_from(body: dict[str, object]) -> Draft:
    """Return what the body of an add or a test asks for; its JSON types are checked, its values are not."""
    fields = read_fields(InstanceSerializer, body)
    return draft_of(fields, kind=fields.get("kind", ""))


def read_wire_id(text: str) -> tuple[str, int]:
    """Return kind and number of an id such as `pve-0`; ApiError 400 for anything else."""
    if not WIRE_ID_SHAPE.fullmatch(text):
        raise ApiError(400, "the node id must look like pve-0 or pbs-0", code="invalid_id")
    match = WIRE_ID.fullmatch(text)
    return (match[1], int(match[2])) if match else (text[:3], -1)  # a number that long was never given out


def pk_of(kind: str, number: int) -> int:
    """Return the key of the instance with this id; ApiError 404 when there is none."""
    pk = Instance.objects.by_wire_id(kind, number).values_list("pk", flat=True).first()
    if pk is None:
        refuse_unknown()
    return pk


def refuse_unknown() -> NoReturn:
    """Answer that the instance does not exist."""
    raise ApiError(404, "node not found", code="node_not_found")


@contextmanager
def refusals() -> Iterator[None]:
    """Turn what a verb or a host refuses into the answer of the contract."""
    try:
        yield
    except editing.UnknownInstance:
        refuse_unknown()
    except NotValid as error:
        field, told = WIRE_NAMES.get(error.field, error.field), plain(error.message)
        raise ApiError(400, told, details={field: told}) from None
    except ProxmoxError as error:
        raise ApiError(400, sentence(error), code="connection_failed") from None
    except SealBroken as error:
        raise ApiError(500, f"the credential cannot be stored: {error}") from None
    except DatabaseError:
        logger.exception("An instance could not be saved")
        raise ApiError(500, "the configuration could not be saved; the log of Pulse says why") from None


def sentence(error: Exception) -> str:
    """Return an error in words for people; a host's words in it may quote the request that it refused."""
    return plain(without_secrets(str(error)))


def plain(text: str) -> str:
    """Return the text without the words that clients take for something else."""
    return SIGNAL_WORDS.sub("[...]", text)


def answer(body: Any, *, status: int = 200) -> HttpResponse:
    """Return a JSON answer that no cache keeps: it carries configuration."""
    return HttpResponse(
        msgspec.json.encode(body),
        status=status,
        content_type="application/json",
        headers={"Cache-Control": "no-store"},
    )
