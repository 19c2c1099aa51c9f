"""The configuration routes of the instances, which the wire calls nodes. Source: http-api.md section 5."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Literal, NoReturn

import msgspec
from django.db import DatabaseError, InterfaceError, OperationalError
from django.utils import timezone
from rest_framework.request import Request
from rest_framework.response import Response

from nodes import configuring, connecting, editing, permissions, probe, reach
from nodes.addresses import normalise_host, spelled_fingerprint
from nodes.choices import InstanceKind
from nodes.doctor.examination import Finding, repairs
from nodes.drafts import UNKNOWN_KIND, WIRE_NAMES, Draft, NotValid, draft_of
from nodes.models import Instance
from nodes.probe import Probe
from nodes.proxmox.client import Target
from nodes.proxmox.errors import ProxmoxError
from nodes.serializers import HostSerializer, InstanceChangeSerializer, InstanceSerializer
from pulse.lib.auth import Access, Limit
from pulse.lib.crypto import SealBroken
from pulse.lib.endpoints import Endpoint, Operation, Parameter, Refusal, Tag
from pulse.lib.errors import ApiError
from pulse.lib.instants import WireInstant, rfc3339
from pulse.lib.logs import without_secrets

logger = logging.getLogger(__name__)

#: A try reaches out to other machines: nobody may scan a network with it, or wear a login out.
TESTS = Limit("connection-test", 10, 60)
#: So does whoever adds or changes an instance, and fills the disk; a script that adds a whole estate waits now and then.
CHANGES = Limit("instance-change", 30, 60)
TEST_SECONDS = 10.0

WIRE_ID = re.compile(r"(pve|pbs|pmg)-([0-9]{1,9})")
WIRE_ID_SHAPE = re.compile(r"(pve|pbs|pmg)-[0-9]+")

#: Words by which clients recognise something else (errors.md section 1): a host may not put them into our answers.
SIGNAL_WORDS = re.compile(r"success|unauthorized|api_token", re.IGNORECASE)


class NodeAdded(msgspec.Struct, omit_defaults=True):
    """What became of the instance that was to be added.

    `merged`: the host is monitored already under another address, or is a member of `cluster`, which is; the cluster's members
    were added to that instance. `cluster` is empty for a host of its own.
    """

    status: Literal["success"]
    id: str
    message: str
    merged: bool = False
    cluster: str = ""


class NodeChanged(msgspec.Struct):
    """That the instance is changed."""

    status: Literal["success"]
    id: str
    message: str


class NodeRemoved(msgspec.Struct):
    """That the instance is removed."""

    status: Literal["success"]


class ConnectionFound(msgspec.Struct, rename="camel", omit_defaults=True):
    """What a try of a connection found; `latency` of one call in milliseconds.

    A backup server tells `datastoreCount`, everything else `isCluster` and `nodeCount`, a cluster `clusterNodeCount` as well.
    """

    status: Literal["success"]
    message: str
    latency: int
    is_cluster: bool | None = None
    node_count: int | None = None
    cluster_node_count: int | None = None
    datastore_count: int | None = None


class Tested(msgspec.Struct, omit_defaults=True):
    """How a test went; `message` says what was found, or what failed. `latency` of one call in milliseconds."""

    status: Literal["success", "error"]
    message: str
    latency: int | None = None


class PathReport(msgspec.Struct):
    """The privileges that a feature needs at one path of Proxmox, and which of them the account has and lacks."""

    path: str
    needed: list[str]
    held: list[str]
    missing: list[str]


class FeatureReport(msgspec.Struct, rename="camel"):
    """Whether the account may see what a feature needs.

    `state`: `ok`, `partial` when it sees some guests, nodes or storages and not others, `missing`. `why` says what the feature
    needs it for, `without` what is missing in Pulse. `repair` are the lines to run on the host as root, `userRepair` those
    for the user of a token; read `caution` first.
    """

    feature: str
    title: str
    state: str
    optional: bool
    why: str
    without: str
    note: str
    caution: str
    repair: list[str]
    user_repair: list[str]
    user_note: str
    paths: list[PathReport]


class NodePermissions(msgspec.Struct, rename="camel"):
    """What the account of an instance may see, feature by feature, and the lines that give it what is missing."""

    account: str
    version: str
    features: list[FeatureReport]
    repair: list[str]
    user_repair: list[str]


class Certificate(msgspec.Struct, rename="camel"):
    """The certificate that a host shows. `trusted`: an authority that this machine knows vouches for it."""

    host: str
    fingerprint: str
    subject: str
    issuer: str
    not_after: WireInstant
    names: list[str]
    trusted: bool


UNREACHED = {
    400: Refusal(
        "connection_failed",
        "The host could not be reached, or refused: the text has the cause. Or the body is not valid.",
    )
}
NO_INSTANCE = {404: Refusal("node_not_found", "There is no instance with this id.")}
NODE_ID = {"node_id": Parameter("The id of an instance, as it is listed.", "pve-0")}


class NodeListView(Endpoint):
    """All configured instances."""

    @Operation(Access.SETTINGS_READ, Tag.INSTANCES, {200: InstanceSerializer(many=True)})
    def get(self, request: Request) -> Response:
        """List the configured instances

        Those of Proxmox VE first, then backup servers and mail gateways, with how they answer: `status` is `connected`, `error`
        when the login failed, else `disconnected`, and `statusMessage` says why. Secrets are never told.
        """
        instances = sorted(Instance.objects.prefetch_related("endpoints"), key=place_in_list)
        return Response([InstanceSerializer(instance).data for instance in instances])

    @Operation(
        Access.SETTINGS_WRITE,
        Tag.INSTANCES,
        {201: NodeAdded, 200: NodeAdded},
        takes=InstanceSerializer,
        limit=CHANGES,
    )
    def post(self, request: Request) -> Response:
        """Add an instance

        `type`, `host` and a credential are needed: `user` and `password`, or `tokenName` and `tokenValue`. One host of a cluster
        stands for the whole cluster. The host need not answer now; polling starts at once.

        The answer is 200 instead of 201 when the host was configured already and is updated, or belongs to a cluster that is.
        """
        with refusals():
            added = editing.add(draft_from(self.taken(request)), at=timezone.now())
        answer = NodeAdded("success", added.instance.wire_id, f"{added.instance.name} is added")
        if added.outcome is editing.Outcome.MERGED:
            answer.merged, answer.cluster = True, added.instance.cluster_name
            answer.message = (
                f"This host belongs to the cluster {answer.cluster}, which is monitored as {added.instance.name} already"
                if answer.cluster
                else f"This host is monitored as {added.instance.name} already"
            )
        elif added.outcome is editing.Outcome.UPDATED:
            answer.message = f"This host was configured already; {added.instance.name} is updated"
        return Response(answer, status=201 if added.outcome is editing.Outcome.ADDED else 200)


def place_in_list(instance: Instance) -> tuple[int, int]:
    """Return where an instance stands in the list: all PVE, then all PBS, then what the contract does not know."""
    return InstanceKind.values.index(instance.kind), instance.number


class NodeView(Endpoint):
    """One configured instance."""

    @Operation(
        Access.SETTINGS_WRITE,
        Tag.INSTANCES,
        {200: NodeChanged},
        takes=InstanceChangeSerializer,
        refuses=NO_INSTANCE,
        parameters=NODE_ID,
        limit=CHANGES,
    )
    def put(self, request: Request, node_id: str = "") -> Response:
        """Change an instance

        What the body leaves out stays as it is. A changed host, scheme or port demands the secret again in the same request, and so
        does a fingerprint that is taken away or replaced, or `verifySSL` switched off where no former pin comes back: 400 otherwise,
        and nothing is changed. `type` is ignored: the id decides. A new token takes the place of user and password, and the other way round.
        """
        fields = self.taken(request)
        kind, number = read_wire_id(node_id)
        draft = draft_of(fields, kind=kind)
        with refusals():
            instance = editing.change(pk_of(kind, number), draft, at=timezone.now())
        return Response(NodeChanged("success", instance.wire_id, f"{instance.name} is updated"))

    @Operation(
        Access.SETTINGS_WRITE, Tag.INSTANCES, {200: NodeRemoved}, refuses=NO_INSTANCE, parameters=NODE_ID
    )
    def delete(self, request: Request, node_id: str = "") -> Response:
        """Remove an instance

        Its polling stops and everything that is known of it leaves the state. Nothing changes on the host.
        """
        kind, number = read_wire_id(node_id)
        with refusals():
            editing.remove(pk_of(kind, number), at=timezone.now())
        return Response(NodeRemoved("success"))


class ConnectionTestView(Endpoint):
    """A try of a connection."""

    limit = TESTS

    @Operation(
        Access.SETTINGS_WRITE,
        Tag.INSTANCES,
        {200: ConnectionFound},
        takes=InstanceSerializer,
        refuses=UNREACHED,
    )
    def post(self, request: Request) -> Response:
        """Try a connection without storing it

        The body is that of a new instance. The host is asked for at most 10 seconds. A failure is 400, with its cause.
        """
        with refusals():
            probed = tried(configuring.target_of(draft_from(self.taken(request))))
        return Response(connection_found(probed))


class ConfigTestView(Endpoint):
    """A try of a connection, told with 200."""

    limit = TESTS

    @Operation(Access.SETTINGS_WRITE, Tag.INSTANCES, {200: Tested}, takes=InstanceSerializer)
    def post(self, request: Request) -> Response:
        """Try a connection, and get 200 whether or not it works

        As `test-connection`, but a failure is told as 200 with `status` `error`. Only a body that cannot be read, or an unknown
        `type`, is 400.
        """
        draft = draft_from(self.taken(request))
        if draft.kind not in InstanceKind.values:
            raise ApiError(400, UNKNOWN_KIND)
        try:
            probed = tried(configuring.target_of(draft))
        except (NotValid, ProxmoxError, SealBroken) as error:
            return Response(Tested("error", sentence(error)))
        return Response(Tested("success", summary(probed), probed.latency_ms))


class NodeTestView(Endpoint):
    """A try of a stored connection."""

    limit = TESTS

    @Operation(Access.SETTINGS_WRITE, Tag.INSTANCES, {200: Tested}, parameters=NODE_ID)
    def post(self, request: Request, node_id: str) -> Response:
        """Try the stored connection of an instance

        The answer is 200 for every well-formed id; `status` is `error` when there is no such instance, or its host could not be
        reached.
        """
        kind, number = read_wire_id(node_id)
        instance = Instance.objects.by_wire_id(kind, number).first()
        if instance is None:
            return Response(Tested("error", "node not found"))
        try:
            probed = tried(connecting.target_of(instance))
        except ProxmoxError as error:
            return Response(Tested("error", sentence(error, instance)))
        return Response(Tested("success", summary(probed), probed.latency_ms))


class NodePermissionsView(Endpoint):
    """What an account may see."""

    limit = TESTS
    calls_hosts = True

    @Operation(
        Access.SETTINGS_READ,
        Tag.INSTANCES,
        {200: NodePermissions},
        refuses=UNREACHED | NO_INSTANCE,
        parameters=NODE_ID,
    )
    def get(self, request: Request, node_id: str) -> Response:
        """What the account of an instance may see

        The host is asked for the privileges of the account. For each feature it says what is needed at which path, what is
        missing, and the lines that repair it.
        """
        kind, number = read_wire_id(node_id)
        instance = Instance.objects.filter(pk=pk_of(kind, number)).first()
        if instance is None:  # removed in this moment
            refuse_unknown()
        with refusals(instance):
            examined = permissions.examine(instance)
        return Response(
            NodePermissions(
                account=examined.account,
                version=examined.version,
                features=[feature_report(finding) for finding in examined.findings],
                repair=list(repairs(examined.findings)),
                user_repair=list(repairs(examined.findings, of_user=True)),
            )
        )


def feature_report(finding: Finding) -> FeatureReport:
    """Return one row of the matrix: what a feature needs at each path, and what the account has."""
    return FeatureReport(
        feature=finding.feature,
        title=finding.title,
        state=finding.state,
        optional=finding.is_optional,
        why=finding.why,
        without=finding.without,
        note=finding.note,
        caution=finding.caution,
        repair=list(finding.repair),
        user_repair=list(finding.user_repair),
        user_note=finding.user_note,
        paths=[
            PathReport(path.path, list(path.needed), list(path.held), list(path.missing))
            for path in finding.paths
        ],
    )


class CertificateView(Endpoint):
    """The certificate of a host."""

    limit = TESTS

    @Operation(
        Access.SETTINGS_WRITE, Tag.INSTANCES, {200: Certificate}, takes=HostSerializer, refuses=UNREACHED
    )
    def post(self, request: Request) -> Response:
        """Which certificate does a host show?

        For a person to compare and confirm before any credential is sent: give `fingerprint` with the instance then.
        """
        fields = self.taken(request)
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
            configuring.refuse_address(url)
            shown = probe.certificate_of(url, policy=reach.policy(), timeout_seconds=TEST_SECONDS)
        return Response(
            Certificate(
                host=url,
                fingerprint=spelled_fingerprint(shown.fingerprint),
                subject=shown.subject,
                issuer=shown.issuer,
                not_after=rfc3339(shown.not_after),
                names=list(shown.names),
                trusted=shown.is_trusted,
            )
        )


def tried(target: Target) -> Probe:
    """Return what one try of a connection found. Raises the ProxmoxError of the step that failed."""
    return probe.probe(target, timeout_seconds=TEST_SECONDS)


def connection_found(probed: Probe) -> ConnectionFound:
    """Return the answer to a good connection test (http-api.md 5.7)."""
    answer = ConnectionFound("success", summary(probed), probed.latency_ms)
    if probed.kind == InstanceKind.PBS:
        answer.datastore_count = probed.datastore_count
        return answer
    answer.is_cluster, answer.node_count = probed.is_cluster, probed.node_count
    if probed.is_cluster:
        answer.cluster_node_count = len(probed.cluster.members) if probed.cluster else probed.node_count
    return answer


def summary(probed: Probe) -> str:
    """Return one sentence about what a try found."""
    if probed.kind == InstanceKind.PBS:
        return f"Reached PBS {probed.version} with {probed.datastore_count} datastore(s)"
    return f"Reached {probed.node_count} node(s), {probed.kind.upper()} {probed.version}"


def draft_from(fields: dict[str, Any]) -> Draft:
    """Return what the body of an add or a test asks for; its JSON types are checked, its values are not."""
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
def refusals(instance: Instance | None = None) -> Iterator[None]:
    """Turn what a verb, or the host of an instance, refuses into the answer of the contract."""
    try:
        yield
    except editing.UnknownInstance:
        refuse_unknown()
    except NotValid as error:
        field, message = WIRE_NAMES.get(error.field, error.field), plain(error.message)
        raise ApiError(400, message, details={field: message}) from None
    except ProxmoxError as error:
        raise ApiError(400, sentence(error, instance), code="connection_failed") from None
    except SealBroken as error:
        raise ApiError(500, f"the credential cannot be stored: {error}") from None
    except (OperationalError, InterfaceError):
        raise  # no flaw of ours: 503, with the cause
    except DatabaseError:
        logger.exception("An instance could not be saved")
        raise ApiError(500, "the configuration could not be saved; the log of Pulse says why") from None


def sentence(error: Exception, instance: Instance | None = None) -> str:
    """Return an error in words for people; a host's words in it may quote the request that it refused."""
    words = connecting.words_of(error, instance) if isinstance(error, ProxmoxError) else str(error)
    return plain(without_secrets(words))


def plain(text: str) -> str:
    """Return the text without the words that clients take for something else."""
    return SIGNAL_WORDS.sub("[...]", text)
