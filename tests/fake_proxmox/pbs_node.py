"""The calls of Proxmox Backup Server about the host: tasks, time, subscription, certificates."""

from __future__ import annotations

from collections.abc import Iterator

from tests.fake_proxmox.calls import ApiFailure, Call, Counted
from tests.fake_proxmox.figures import Row
from tests.fake_proxmox.pbs import backup_server_of, call
from tests.fake_proxmox.pbs_model import PbsTask
from tests.fake_proxmox.pve_tasks import status_class

DEFAULT_LIMIT = 50
#: So far back the runs of jobs, and the backups, are in the list.
JOB_DAYS = 7
BACKUP_SECONDS = 2 * 86_400


@call("GET", "/nodes/{node}/time")
def node_time(request: Call) -> Row:
    """The clock of the host; `localtime` counts as if its wall clock showed UTC."""
    now = int(request.told_now)
    return {"time": now, "localtime": now, "timezone": "Etc/UTC"}


@call("GET", "/nodes/{node}/subscription")
def subscription(request: Call) -> Row:
    """There is none."""
    return {
        "status": "notfound",
        "message": "There is no subscription key",
        "serverid": f"{backup_server_of(request).load.seed:032X}",
        "url": "https://www.proxmox.com/en/proxmox-backup-server/pricing",
    }


@call("GET", "/nodes/{node}/certificates/info", privilege=("/system/certificates", "Sys.Modify"))
def certificates(request: Call) -> list[Row]:
    """The certificate that is served."""
    row = request.server.certificate_row("proxy.pem")
    return [{**row, "fingerprint": backup_server_of(request).fingerprint.lower()}]


@call("GET", "/nodes/{node}/apt/update", privilege=("/", "Sys.Audit"))
def updates(request: Call) -> list[Row]:
    """The packages that have a newer version."""
    packages = (
        ("proxmox-backup-server", "Proxmox Backup Server daemon with tools and GUI", "admin"),
        ("openssl", "Secure Sockets Layer toolkit - cryptographic utility", "utils"),
    )
    return [
        {
            "Package": name,
            "Title": title,
            "Description": f"{title}.",
            "Version": f"4.2.{5 + number}-1",
            "OldVersion": f"4.2.{3 + number}-1",
            "Arch": "amd64",
            "Origin": "Debian" if name == "openssl" else "Proxmox",
            "Priority": "optional",
            "Section": section,
        }
        for number, (name, title, section) in enumerate(packages[: backup_server_of(request).pending_updates])
    ]


def tasks_of(request: Call) -> list[PbsTask]:
    """Return the tasks of the host, newest first."""
    server = backup_server_of(request)
    key = (*request.site.content_revision, int(request.now / 10))
    if request.site.task_cache[0] != key:
        everything = [*list(server.tasks), *_runs(request), *_backups(request)]
        found = sorted(
            (task for task in everything if task.started_at <= request.now),
            key=lambda task: task.started_at,
            reverse=True,
        )
        request.site.task_cache = (key, found)
    return request.site.task_cache[1]


def _runs(request: Call) -> Iterator[PbsTask]:
    server = backup_server_of(request)
    for job in server.jobs.values():
        if not job.has_run:
            continue
        last = job.last_start(request.now)
        for day in range(JOB_DAYS):
            start = last - day * 86_400
            status = job.status if day == 0 else "OK"
            yield PbsTask(
                server.name,
                job.worker_type,
                job.worker_id,
                start,
                ended_at=start + job.seconds,
                status=status,
            )
    midnight = int(request.now) // 86_400 * 86_400
    for day in range(JOB_DAYS):
        start = midnight - day * 86_400
        yield PbsTask(server.name, "logrotate", "", start, ended_at=start + 1, status="OK")
        yield PbsTask(server.name, "aptupdate", "", start + 9_300, ended_at=start + 9_306, status="OK")


def _backups(request: Call) -> Iterator[PbsTask]:
    server = backup_server_of(request)
    for store in server.datastores.values():
        for namespace in request.site.contents.namespaces(store):
            for snapshot in request.site.snapshots(store, namespace, request.now):
                if snapshot.at < request.now - BACKUP_SECONDS:
                    continue
                place = f"{store.name}:{namespace}" if namespace else store.name
                yield PbsTask(
                    server.name,
                    "backup",
                    f"{place}:{snapshot.kind}/{snapshot.id}",
                    snapshot.at,
                    snapshot.owner,
                    snapshot.at + snapshot.seconds if snapshot.is_finished else None,
                    "OK",
                )


def _sees(request: Call, task: PbsTask) -> bool:
    account = request.account
    assert account is not None
    return task.user == account.name or request.may("/system/tasks", "Sys.Audit")


@call(
    "GET",
    "/nodes/{node}/tasks",
    parameters=(
        "start",
        "limit",
        "running",
        "errors",
        "typefilter",
        "userfilter",
        "statusfilter",
        "since",
        "until",
        "store",
    ),
)
def tasks(request: Call) -> Counted:
    """The tasks of the host, newest first, running ones included."""
    found = [task for task in tasks_of(request) if _sees(request, task) and _is_wanted(request, task)]
    start, limit = request.number("start", 0), request.number("limit", DEFAULT_LIMIT)
    shown = found[start : start + limit] if limit else found[start:]
    return Counted([task.row(request.now) for task in shown], len(found))


def _is_wanted(request: Call, task: PbsTask) -> bool:
    wanted = request.parameters
    is_running = task.is_running(request.now)
    if "running" in wanted and request.flag("running") and not is_running:
        return False
    if request.flag("errors") and (is_running or task.status == "OK"):
        return False
    if wanted.get("typefilter", "") not in task.type or wanted.get("userfilter", "") not in task.user:
        return False
    if "store" in wanted and wanted["store"] != task.id.partition(":")[0]:
        return False
    if "statusfilter" in wanted and (is_running or status_class(task.status) != wanted["statusfilter"]):
        return False
    return request.number("since", 0) <= task.started_at <= request.number("until", 1 << 40)


def _task_of(request: Call) -> PbsTask:
    upid = request.names["upid"]
    task = next((task for task in tasks_of(request) if task.upid == upid), None)
    if task is None:
        raise ApiFailure(400, f"unable to parse or find task '{upid}'")
    if not _sees(request, task):
        request.demand("/system/tasks", "Sys.Audit")
    return task


@call("GET", "/nodes/{node}/tasks/{upid}/status")
def task_status(request: Call) -> Row:
    """Whether a task runs, and how it ended."""
    task = _task_of(request)
    row = task.row(request.now)
    user, _, token = task.user.partition("!")
    answer: Row = {key: row[key] for key in ("upid", "node", "pid", "pstart", "starttime")}
    answer |= {"type": task.type, "user": user, "id": task.id}
    if token:
        answer["tokenid"] = token
    if task.is_running(request.now):
        return answer | {"status": "running"}
    return answer | {"status": "stopped", "exitstatus": task.status, "endtime": task.ended_at}


@call("GET", "/nodes/{node}/tasks/{upid}/log", parameters=("start", "limit", "download", "test-status"))
def task_log(request: Call) -> Counted:
    """Lines of a task's log, numbered from 1."""
    task = _task_of(request)
    lines = list(task.log) or [f"starting {task.type} {task.id}".strip()]
    if not task.is_running(request.now):
        lines.append(f"TASK {task.status}" if task.status == "OK" else f"TASK ERROR: {task.status}")
    start, limit = request.number("start", 0), request.number("limit", DEFAULT_LIMIT)
    shown = lines[start : start + limit] if limit else lines[start:]
    return Counted([{"n": start + number, "t": line} for number, line in enumerate(shown, 1)], len(lines))
