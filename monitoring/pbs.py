"""One look at a Proxmox Backup Server: one cheap call each poll, the datastores a little less often."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from monitoring import lanes
from monitoring.memory import PollMemory
from monitoring.resources import Views, pbs_view
from nodes.connecting import Connection
from nodes.models import Instance
from nodes.proxmox import pbs
from nodes.proxmox.errors import NotFound, PermissionDenied
from nodes.proxmox.readings import PbsStatusReading

Result = TypeVar("Result")

STATUS_PATH = "/nodes/localhost/status"
USAGE_PATH = "/status/datastore-usage"


def look(
    instance: Instance, connection: Connection, memory: PollMemory, *, at: float
) -> PbsStatusReading | None:
    """Read the figures; None when the account may not, in which case the version proves that the PBS answers.

    Raises ProxmoxError when it does not.
    """
    status = None
    if not memory.is_denied(STATUS_PATH, at):
        status = unless_denied(lambda: connection.ask(pbs.node_status), STATUS_PATH, memory, at)
    if status is None or lanes.is_due(memory.version_at, lanes.VERSION_SECONDS, at):
        memory.pbs_version = connection.ask(pbs.version).version
        memory.version_at = at
    if instance.monitor_datastores and lanes.is_due(memory.datastores_at, lanes.DATASTORE_SECONDS, at):
        read_datastores(connection, memory, at)
    return status


def read_datastores(connection: Connection, memory: PollMemory, at: float) -> None:
    """Read the use of all datastores in one call, unless the account may not."""
    if memory.is_denied(USAGE_PATH, at):
        return
    found = unless_denied(lambda: connection.ask(pbs.datastore_usage), USAGE_PATH, memory, at)
    if found is not None:
        memory.datastores, memory.datastores_at = found, at


def unless_denied(call: Callable[[], Result], path: str, memory: PollMemory, at: float) -> Result | None:
    """Return what the call reads; None when the account may not make it, which is remembered for a while."""
    try:
        return call()
    except (PermissionDenied, NotFound):
        memory.denied_until[path] = at + lanes.DENIAL_SECONDS
        return None


def views_of(instance: Instance, status: PbsStatusReading | None, memory: PollMemory, *, seen: str) -> Views:
    """Return the PBS as it is now."""
    datastores = memory.datastores if instance.monitor_datastores else ()
    view = pbs_view(
        name=instance.name,
        host=instance.host,
        version=memory.pbs_version,
        status=status,
        datastores=datastores,
        seen=seen,
    )
    return Views(pbs=(view,))
