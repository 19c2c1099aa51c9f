"""The calls of Proxmox VE about tasks."""

from __future__ import annotations

from tests.fake_proxmox.calls import ApiFailure, Call, Counted, Encoded
from tests.fake_proxmox.figures import Row, encode
from tests.fake_proxmox.pve import call, cluster_of, node_of
from tests.fake_proxmox.tasks import Task

#: What one node tells the others: the newest, and all that run.
TOLD_PER_NODE = 25
DEFAULT_LIMIT = 50
_SOURCES = ("archive", "active", "all")


@call("GET", "/cluster/tasks")
def cluster_tasks(request: Call) -> Encoded:
    """The newest tasks of all nodes: the caller's own, all with Sys.Audit on /."""
    account = request.account
    assert account is not None
    return request.site.shared_body(
        ("tasks", account.name), request.now, lambda: encode(_told_by_all(request))
    )


def _told_by_all(request: Call) -> list[Row]:
    sees_all = request.may("/", "Sys.Audit")
    rows: list[Row] = []
    for node in cluster_of(request).nodes.values():
        if node.died_at is not None:
            continue
        tasks = request.site.tasks.of_node(node.name, request.now)
        told = [task for task in tasks if task.is_running(request.now)]
        told += [task for task in tasks if not task.is_running(request.now)][: TOLD_PER_NODE - len(told)]
        for task in told:
            if sees_all or _is_own(request, task):
                row = task.row(request.now)
                del row["pstart"]
                if not task.is_running(request.now):
                    row["saved"] = "1"
                    del row["pid"]
                rows.append(row)
    return rows


def _is_own(request: Call, task: Task) -> bool:
    account = request.account
    return account is not None and task.user in (account.name, account.name.partition("!")[0])


@call(
    "GET",
    "/nodes/{node}/tasks",
    parameters=(
        "start",
        "limit",
        "source",
        "typefilter",
        "vmid",
        "userfilter",
        "statusfilter",
        "errors",
        "since",
        "until",
    ),
    is_proxied=True,
)
def node_tasks(request: Call) -> Counted:
    """The tasks of a node, newest first; running ones only if `source` asks for them."""
    node, now = node_of(request).name, request.now
    source = request.parameters.get("source", "archive")
    if source not in _SOURCES:
        text = f"value '{source}' does not have a value in the enumeration '{', '.join(_SOURCES)}'"
        raise ApiFailure(400, "Parameter verification failed.", {"source": text})
    sees_all = request.may(f"/nodes/{node}", "Sys.Audit")
    found = []
    for task in request.site.tasks.of_node(node, now):
        is_running = task.is_running(now)
        if (is_running and source == "archive") or (not is_running and source == "active"):
            continue
        if (sees_all or _is_own(request, task)) and _is_wanted(request, task):
            found.append(task)
    start, limit = request.number("start", 0), request.number("limit", DEFAULT_LIMIT)
    rows = []
    for task in found[start : start + limit]:
        row = task.row(now)
        if task.is_running(now):
            row["status"] = "RUNNING"
        rows.append(row)
    return Counted(rows, len(found))


def _is_wanted(request: Call, task: Task) -> bool:
    wanted, now = request.parameters, request.now
    if "typefilter" in wanted and task.type != wanted["typefilter"]:
        return False
    if "vmid" in wanted and task.id != wanted["vmid"]:
        return False
    if wanted.get("userfilter", "") not in task.user:
        return False
    if not request.number("since", 0) <= task.started_at <= request.number("until", 1 << 40):
        return False
    if task.is_running(now):
        return True
    if request.flag("errors") and task.status == "OK":
        return False
    states = wanted.get("statusfilter", "")
    return not states or status_class(task.status) in states.split(",")


def status_class(status: str) -> str:
    """Return how Proxmox sorts an ended task: ok, warning, unknown or error."""
    if status == "OK":
        return "ok"
    if status.startswith("WARNINGS: "):
        return "warning"
    return "unknown" if status == "unexpected status" else "error"


def _task_of(request: Call) -> Task:
    node, upid = node_of(request).name, request.names["upid"]
    if not upid.startswith("UPID:") or upid.count(":") < 8:
        raise ApiFailure(500, f"unable to parse worker upid '{upid}'")
    task = request.site.tasks.find(upid, request.now)
    if task is None or task.node != node:
        raise ApiFailure(500, "no such task")
    if not _is_own(request, task):
        request.demand(f"/nodes/{node}", "Sys.Audit")
    return task


@call("GET", "/nodes/{node}/tasks/{upid}/status", is_proxied=True)
def task_status(request: Call) -> Row:
    """Whether a task runs, and how it ended."""
    task = _task_of(request)
    row = task.row(request.now)
    row.pop("endtime", None)
    ending = row.pop("status", None)
    row["status"] = "running" if ending is None else "stopped"
    if ending is not None:
        row["exitstatus"] = ending
    return row


@call("GET", "/nodes/{node}/tasks/{upid}/log", parameters=("start", "limit", "download"), is_proxied=True)
def task_log(request: Call) -> Counted:
    """Lines of a task's log, numbered from 1."""
    lines = request.site.tasks.log(_task_of(request), request.now)
    start, limit = request.number("start", 0), request.number("limit", DEFAULT_LIMIT)
    shown = lines[start : start + limit] if limit else lines[start:]
    return Counted([{"n": start + number, "t": line} for number, line in enumerate(shown, 1)], len(lines))
