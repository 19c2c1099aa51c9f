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
from pathlib import Path
from typing import Any

import msgspec
from django.conf import settings
from django.db import DatabaseError
from django.http import HttpRequest, HttpResponse
from django.utils import timezone

import pulse
from monitoring.known.facts import Facts
from monitoring.known.memory import PollMemory
from monitoring.store.current import store
from monitoring.wire import reports
from nodes import connecting, permissions, probe
from nodes.choices import InstanceKind
from nodes.models import Instance
from nodes.probe import Probe
from nodes.proxmox.errors import ProxmoxError
from pulse.lib.auth import Access, Limit, policy
from pulse.lib.errors import ApiError
from pulse.lib.instants import rfc3339
from pulse.views import STARTED_SECONDS

#: The whole answer is due within 15 s; hosts that are silent are given up before.
TRY_SECONDS = 8.0
AT_ONCE = 16
NUMBER = re.compile(r"[0-9]{1,9}", re.ASCII)
#: It reaches out to every host: nobody may ask for it all the time.
DIAGNOSES = Limit("diagnostics", 12, 60)


@policy(GET=Access.SETTINGS_READ, limit=DIAGNOSES)
def diagnostics(request: HttpRequest) -> HttpResponse:
    """Return the report."""
    return answer(report(timezone.now().timestamp()))


@policy(GET=Access.SETTINGS_READ, limit=DIAGNOSES)
def diagnostics_export(request: HttpRequest) -> HttpResponse:
    """Return the report as a file."""
    at = timezone.now()
    response = answer(report(at.timestamp()))
    response.headers["Content-Disposition"] = (
        f'attachment; filename="pulse-diagnostics-{at:%Y%m%d-%H%M%S}.json"'
    )
    return response


@policy(GET=Access.SETTINGS_READ)
def instance_report(request: HttpRequest, node_id: str) -> HttpResponse:
    """Return the lanes of one instance, their cost and its permissions, without trying the host."""
    kind, _, number = node_id.partition("-")
    known = (
        Instance.objects.by_wire_id(kind, int(number))
        if NUMBER.fullmatch(number)
        else Instance.objects.none()
    )
    instance = known.first()
    if instance is None:
        raise ApiError(404, "node not found", code="node_not_found")
    memory = store().load_memory(instance.pk) or PollMemory()
    facts = store().load_facts(instance.pk) or Facts()
    return answer(kept_report(instance, memory, facts, at=timezone.now().timestamp()))


def answer(body: dict[str, Any]) -> HttpResponse:
    """Return the report as JSON that no cache keeps."""
    return HttpResponse(
        msgspec.json.encode(body), content_type="application/json", headers={"Cache-Control": "no-store"}
    )


def report(at: float) -> dict[str, Any]:
    """Return everything that is told, with all instances tried at once within the limit."""
    errors: list[str] = []
    try:
        instances = list(Instance.objects.prefetch_related("endpoints"))
    except DatabaseError as error:
        instances = []
        errors.append(f"the database cannot be read ({type(error).__name__})")
    tried = try_all(instances)
    told = {instance.pk: described(instance, tried[instance.pk], at=at) for instance in instances}
    return {
        "version": f"v{pulse.__version__}",
        "runtime": "python",
        "uptime": round(time.monotonic() - STARTED_SECONDS, 1),
        "nodes": [told[one.pk] for one in instances if one.kind == InstanceKind.PVE],
        "pbs": [told[one.pk] for one in instances if one.kind == InstanceKind.PBS],
        "pmg": [told[one.pk] for one in instances if one.kind not in (InstanceKind.PVE, InstanceKind.PBS)],
        "system": system(),
        "errors": errors,
    }


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
    return results | {pk: outcome(done) for pk, done in tries.items()}


def outcome(done: Future[Probe]) -> Probe | str:
    """Return what a try has come to."""
    if not done.done() or done.cancelled():
        return "There was no time left to try it"
    error = done.exception()
    if error is None:
        return done.result()
    return (
        str(error) if isinstance(error, ProxmoxError) else f"Pulse stumbled over it ({type(error).__name__})"
    )


def described(instance: Instance, tried: Probe | str, *, at: float) -> dict[str, Any]:
    """Return one entry: the contract's keys, then our own."""
    found = tried if isinstance(tried, Probe) else None
    memory = store().load_memory(instance.pk) or PollMemory()
    facts = store().load_facts(instance.pk) or Facts()
    entry: dict[str, Any] = {
        "id": instance.name,
        "name": instance.name,
        "host": instance.host,
        "type": instance.kind,
        "authMethod": auth_method(instance),
        "connected": found is not None,
    }
    if found is None:
        entry["error"] = tried
    elif instance.kind == InstanceKind.PVE:
        entry["details"] = {"node_count": found.node_count, "version": found.version}
        if found.cluster is not None:
            entry["clusterInfo"] = {"nodes": len(found.cluster.members) + (1 if found.cluster.name else 0)}
    else:
        entry["details"] = {"version": found.version}
    if instance.last_success_at is not None:
        entry["lastPoll"] = rfc3339(instance.last_success_at.replace(microsecond=0))
    return entry | kept_report(instance, memory, facts, at=at)


def kept_report(instance: Instance, memory: PollMemory, facts: Facts, *, at: float) -> dict[str, Any]:
    """Return how the lanes of an instance are doing, what they cost, and what its account lacks; no host is asked."""
    return {
        "nodeId": instance.wire_id,
        "paused": instance.is_paused,
        "state": instance.state,
        "lanes": reports.lane_reports(memory, facts),
        "cost": reports.cost_report(memory, facts, at=at),
        "permissions": permission_summary(instance, memory, facts),
    }


def permission_summary(instance: Instance, memory: PollMemory, facts: Facts) -> list[dict[str, Any]]:
    """Return what the account lacks by what was read last, and the lines that repair it; empty while nothing is known."""
    if facts.permissions is None:
        return []
    version = facts.server_version or next((one.version for one in facts.nodes.values() if one.version), "")
    examination = permissions.judged(
        instance,
        facts.permissions,
        version,
        nodes=tuple(view.name for view in memory.views.nodes),
        storages=facts.storages,
        datastores=tuple(store.name for view in memory.views.pbs for store in view.datastores),
    )
    return [
        {
            "feature": one.feature,
            "state": one.state,
            "optional": one.is_optional,
            "without": one.without,
            "note": one.note,
            "caution": one.caution,
            "repair": list(one.repair),
            "userRepair": list(one.user_repair),
            "userNote": one.user_note,
        }
        for one in examination.findings
        if one.state != "ok"
    ]


def auth_method(instance: Instance) -> str:
    """Return how the instance logs in."""
    if instance.has_token:
        return "api_token"
    return "username_password" if instance.has_password else "none"


def system() -> dict[str, Any]:
    """Return what runs Pulse; the names of the keys are those of the contract."""
    resident = resident_bytes()
    return {
        "os": platform.system().lower(),
        "arch": {"x86_64": "amd64", "aarch64": "arm64"}.get(platform.machine(), platform.machine()),
        "goVersion": platform.python_version(),
        "numCPU": os.cpu_count() or 1,
        "numGoroutine": threading.active_count(),
        "memoryMB": resident >> 20,
        "memory": {"alloc": resident},
        "database": settings.DATABASES["default"]["ENGINE"].rpartition(".")[2],
        "python": sys.version.split()[0],
    }


def resident_bytes() -> int:
    """Return how much memory this process has, 0 where the system does not tell."""
    try:
        pages = int(Path("/proc/self/statm").read_text().split()[1])
    except (OSError, ValueError, IndexError):
        return 0
    return pages * os.sysconf("SC_PAGE_SIZE")
