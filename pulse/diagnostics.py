"""`/api/diagnostics`: what is wrong right now. Every instance is tried, and what its lanes do and cost is told beside it.

Source: http-api.md 12 of the contract. No secret is among it: it is meant to be passed on to somebody who helps.
"""

from __future__ import annotations

import os
import platform
import re
import sys
import threading
import time
from concurrent.futures import Future, ThreadPoolExecutor, wait
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
from django.conf import settings
from django.db import DatabaseError
from django.utils import timezone
from rest_framework.request import Request
from rest_framework.response import Response

import pulse
from monitoring.exporting.remote import standing
from monitoring.history import backfill
from monitoring.known.facts import FACTS, Facts
from monitoring.known.memory import MEMORY, PollMemory
from monitoring.known.notices import NO_NOTICES, NOTICES
from monitoring.known.troubles import NO_TROUBLES, TROUBLES, Trouble
from monitoring.models import Backfill
from monitoring.store.current import store
from monitoring.wire import reports
from monitoring.wire.reports import CostReport, LaneReport
from nodes import connecting, permissions, probe
from nodes.choices import InstanceKind
from nodes.models import Instance
from nodes.probe import Probe
from nodes.proxmox.errors import ProxmoxError
from pulse.history_report import HistoryReport, history_report, history_words
from pulse.lib.auth import Access, Limit
from pulse.lib.endpoints import Endpoint, Operation, Parameter, Refusal, Tag
from pulse.lib.errors import ApiError
from pulse.lib.instants import WireInstant, from_epoch, rfc3339
from pulse.views import STARTED_SECONDS

#: The whole answer is due within 15 s; hosts that are silent are given up before.
TRY_SECONDS = 8.0
AT_ONCE = 16
NUMBER = re.compile(r"[0-9]{1,9}", re.ASCII)
#: It reaches out to every host: nobody may ask for it all the time.
DIAGNOSES = Limit("diagnostics", 12, 60)


class PermissionGap(msgspec.Struct, rename="camel"):
    """A feature that the account of an instance cannot use fully, and what to do about it.

    `without` says what is missing in Pulse for it. `repair` are the lines to run on the host as root, `userRepair` those for
    the user of a token.
    """

    feature: str
    state: str
    optional: bool
    without: str
    note: str
    caution: str
    repair: list[str]
    user_repair: list[str]
    user_note: str


class KeptReport(msgspec.Struct, rename="camel", kw_only=True):
    """How Pulse gets on with one instance: what each lane of calls has read, what that costs, what the account lacks."""

    node_id: str
    paused: bool
    state: str
    lanes: list[LaneReport]
    cost: CostReport
    permissions: list[PermissionGap]


class Found(msgspec.Struct, omit_defaults=True):
    """What a try of the connection found; `node_count` of a PVE alone."""

    version: str
    node_count: int | None = None


class ClusterInfo(msgspec.Struct):
    """The cluster of an instance; 0 nodes for a host of its own."""

    nodes: int


class InstanceReport(KeptReport, rename="camel", kw_only=True, omit_defaults=True):
    """One instance: how a try of its connection went just now, and how Pulse gets on with it.

    `error` says why the try failed. The other keys are those of the report that asks no host.
    """

    id: str
    name: str
    host: str
    type: str
    auth_method: str
    connected: bool
    error: str = ""
    details: Found | None = None
    cluster_info: ClusterInfo | None = None
    last_poll: WireInstant | None = None


class ProcessMemory(msgspec.Struct):
    """Memory of the process in bytes."""

    alloc: int


class System(msgspec.Struct, rename="camel"):
    """What runs Pulse. `goVersion` and `numGoroutine` keep the names of the documented API: the interpreter, the threads."""

    os: str
    arch: str
    go_version: str
    num_cpu: int = msgspec.field(name="numCPU")
    num_goroutine: int
    memory_mb: int = msgspec.field(name="memoryMB")
    memory: ProcessMemory
    database: str
    python: str


class Diagnostics(msgspec.Struct):
    """What is wrong right now. It holds no secret: it is meant to be passed on to somebody who helps."""

    version: str
    runtime: str
    uptime: float
    nodes: list[InstanceReport]
    pbs: list[InstanceReport]
    pmg: list[InstanceReport]
    system: System
    history: HistoryReport
    errors: list[str]


class DiagnosticsView(Endpoint):
    """What is wrong right now."""

    limit = DIAGNOSES
    calls_hosts = True

    @Operation(Access.SETTINGS_READ, Tag.DIAGNOSTICS, {200: Diagnostics})
    def get(self, request: Request) -> Response:
        """Try every instance, and tell what is wrong

        All hosts are tried at once, for 8 seconds at most. `nodes` are the instances of Proxmox VE.
        """
        return Response(report(timezone.now().timestamp()))


class DiagnosticsExportView(Endpoint):
    """The diagnostics as a file."""

    limit = DIAGNOSES
    calls_hosts = True

    @Operation(Access.SETTINGS_READ, Tag.DIAGNOSTICS, {200: Diagnostics})
    def get(self, request: Request) -> Response:
        """The diagnostics as a file to keep

        The same as `/api/diagnostics`, with a name for the download.
        """
        at = timezone.now()
        name = f"pulse-diagnostics-{at:%Y%m%d-%H%M%S}.json"
        headers = {"Content-Disposition": f'attachment; filename="{name}"'}
        return Response(report(at.timestamp()), headers=headers)


class InstanceReportView(Endpoint):
    """One instance."""

    @Operation(
        Access.SETTINGS_READ,
        Tag.DIAGNOSTICS,
        {200: KeptReport},
        refuses={404: Refusal("node_not_found", "There is no instance with this id.")},
        parameters={"node_id": Parameter("The id of an instance, as `/api/config/nodes` lists it.", "pve-0")},
    )
    def get(self, request: Request, node_id: str) -> Response:
        """How Pulse gets on with one instance

        What each lane of calls has read and when, what it costs the host, and what the account may not see. The host is not
        asked.
        """
        kind, _, number = node_id.partition("-")
        candidates = Instance.objects.by_wire_id(kind, int(number)) if NUMBER.fullmatch(number) else None
        instance = candidates.first() if candidates is not None else None
        if instance is None:
            raise ApiError(404, "node not found", code="node_not_found")
        memory = store().load(MEMORY, of=instance.pk) or PollMemory()
        facts = store().load(FACTS, of=instance.pk) or Facts()
        return Response(
            KeptReport(**kept_report(instance, memory, facts, at_epoch=timezone.now().timestamp()))
        )


def report(at_epoch: float) -> Diagnostics:
    """Return everything that is told, with all instances tried at once within the limit."""
    errors: list[str] = []
    try:
        instances = list(Instance.objects.prefetch_related("endpoints"))
        errors += [record_words(one) for one in backfill.failed()]
    except DatabaseError as error:
        instances = []
        errors.append(f"the database cannot be read ({type(error).__name__})")
    errors += [task_words(one) for one in (store().load(TROUBLES) or NO_TROUBLES).lasting(at_epoch=at_epoch)]
    errors += [one.text for one in (store().load(NOTICES) or NO_NOTICES).lasting(at_epoch=at_epoch)]
    errors += remote_write_words(at_epoch)
    kept = history_report(at_epoch)
    errors += history_words(kept)
    tried = try_all(instances)
    reports = {
        instance.pk: described(instance, tried[instance.pk], at_epoch=at_epoch) for instance in instances
    }
    return Diagnostics(
        version=f"v{pulse.__version__}",
        runtime="python",
        uptime=round(time.monotonic() - STARTED_SECONDS, 1),
        nodes=[reports[instance.pk] for instance in instances if instance.kind == InstanceKind.PVE],
        pbs=[reports[instance.pk] for instance in instances if instance.kind == InstanceKind.PBS],
        pmg=[
            reports[instance.pk]
            for instance in instances
            if instance.kind not in (InstanceKind.PVE, InstanceKind.PBS)
        ],
        system=system(),
        history=kept,
        errors=errors,
    )


def remote_write_words(at_epoch: float) -> list[str]:
    """Return which engines do not take the samples that are written to them."""
    try:
        return list(standing.told(at=from_epoch(at_epoch)))
    except DatabaseError:
        return []  # told already


def task_words(trouble: Trouble) -> str:
    """Return the sentence about a task of Pulse itself that fails."""
    about = f" for the instance with the key {trouble.subject}" if trouble.subject else ""
    since = rfc3339(datetime.fromtimestamp(int(trouble.since_epoch), UTC))
    times = "once" if trouble.count == 1 else f"{trouble.count} times"
    return f"the task {trouble.task} fails{about} ({trouble.error}), {times} since {since}; the log has the details"


def record_words(order: Backfill) -> str:
    """Return the sentence about records of a host of which nothing could be read."""
    return f"Proxmox's own records of {order.instance.name} could not be read: {order.message}"


def try_all(instances: list[Instance]) -> dict[int, Probe | str]:
    """Return by instance what was found there, or the sentence that says why nothing was."""
    if not instances:
        return {}
    pool = ThreadPoolExecutor(min(AT_ONCE, len(instances)), thread_name_prefix="diagnose")
    tries: dict[int, Future[Probe]] = {}
    results: dict[int, Probe | str] = {}
    for instance in instances:
        if instance.is_paused:
            results[instance.pk] = "It is paused: Pulse asks it nothing"
            continue
        try:
            target = connecting.target_of(instance)
        except ProxmoxError as error:
            results[instance.pk] = str(error)
        else:
            tries[instance.pk] = pool.submit(probe.probe, target, timeout_seconds=TRY_SECONDS)
    wait(tries.values(), timeout=TRY_SECONDS + 1)
    pool.shutdown(wait=False, cancel_futures=True)
    return results | {
        instance.pk: outcome(instance, tries[instance.pk]) for instance in instances if instance.pk in tries
    }


def outcome(instance: Instance, done: Future[Probe]) -> Probe | str:
    """Return what a try has come to."""
    if not done.done() or done.cancelled():
        return "There was no time left to try it"
    error = done.exception()
    if error is None:
        return done.result()
    if isinstance(error, ProxmoxError):
        return connecting.words_of(error, instance)
    return f"Pulse stumbled over it ({type(error).__name__})"


def described(instance: Instance, tried: Probe | str, *, at_epoch: float) -> InstanceReport:
    """Return one entry: the contract's keys, then our own."""
    probed = tried if isinstance(tried, Probe) else None
    is_pve = instance.kind == InstanceKind.PVE
    memory = store().load(MEMORY, of=instance.pk) or PollMemory()
    facts = store().load(FACTS, of=instance.pk) or Facts()
    entry = InstanceReport(
        id=instance.name,
        name=instance.name,
        host=instance.host,
        type=instance.kind,
        auth_method=auth_method(instance),
        connected=probed is not None,
        **kept_report(instance, memory, facts, at_epoch=at_epoch),
    )
    if probed is None:
        entry.error = str(tried)
    else:
        entry.details = Found(probed.version, probed.node_count if is_pve else None)
        if is_pve and probed.cluster is not None:
            entry.cluster_info = ClusterInfo(len(probed.cluster.members) + (1 if probed.cluster.name else 0))
    if instance.last_success_at is not None:
        entry.last_poll = rfc3339(instance.last_success_at.replace(microsecond=0))
    return entry


def kept_report(instance: Instance, memory: PollMemory, facts: Facts, *, at_epoch: float) -> dict[str, Any]:
    """Return how the lanes of an instance are doing, what they cost, and what its account lacks; no host is asked."""
    return {
        "node_id": instance.wire_id,
        "paused": instance.is_paused,
        "state": instance.state,
        "lanes": reports.lane_reports(memory, facts),
        "cost": reports.cost_report(memory, facts, at_epoch=at_epoch),
        "permissions": permission_summary(instance, memory, facts),
    }


def permission_summary(instance: Instance, memory: PollMemory, facts: Facts) -> list[PermissionGap]:
    """Return what the account lacks by what was read last, and the lines that repair it; empty while nothing is known."""
    if facts.permissions is None:
        return []
    version = facts.server_version or next(
        (node.version for node in facts.nodes.values() if node.version), ""
    )
    server = memory.figures.server
    examination = permissions.judged(
        instance,
        facts.permissions,
        version,
        nodes=tuple(node.name for node in memory.figures.nodes),
        storages=facts.storages,
        datastores=tuple(store.name for store in server.datastores) if server is not None else (),
    )
    return [
        PermissionGap(
            feature=finding.feature,
            state=finding.state,
            optional=finding.is_optional,
            without=finding.without,
            note=finding.note,
            caution=finding.caution,
            repair=list(finding.repair),
            user_repair=list(finding.user_repair),
            user_note=finding.user_note,
        )
        for finding in examination.findings
        if finding.state != "ok"
    ]


def auth_method(instance: Instance) -> str:
    """Return how the instance logs in."""
    if instance.has_token:
        return "api_token"
    return "username_password" if instance.has_password else "none"


def system() -> System:
    """Return what runs Pulse."""
    resident = resident_bytes()
    return System(
        os=platform.system().lower(),
        arch={"x86_64": "amd64", "aarch64": "arm64"}.get(platform.machine(), platform.machine()),
        go_version=platform.python_version(),
        num_cpu=os.cpu_count() or 1,
        num_goroutine=threading.active_count(),
        memory_mb=resident >> 20,
        memory=ProcessMemory(resident),
        database=settings.DATABASES["default"]["ENGINE"].rpartition(".")[2],
        python=sys.version.split()[0],
    )


def resident_bytes() -> int:
    """Return how much memory this process has, 0 where the system does not tell."""
    try:
        pages = int(Path("/proc/self/statm").read_text().split()[1])
    except (OSError, ValueError, IndexError):
        return 0
    return pages * os.sysconf("SC_PAGE_SIZE")
