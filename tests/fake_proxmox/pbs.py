"""The calls of Proxmox Backup Server."""

from __future__ import annotations

from tests.fake_proxmox import curves
from tests.fake_proxmox.access import Refused
from tests.fake_proxmox.calls import ApiFailure, Call, Encoded, Table
from tests.fake_proxmox.figures import Row, encode
from tests.fake_proxmox.model import GIB, BackupServer, Datastore

TABLE = Table()
call = TABLE.call

HISTORY_STEP_SECONDS = 1_800
HISTORY_LENGTH = 1_440


def backup_server_of(request: Call) -> BackupServer:
    """Return the backup server that is asked."""
    model = request.site.model
    assert isinstance(model, BackupServer)
    return model


@call(
    "POST",
    "/access/ticket",
    required=("username", "password"),
    parameters=("path", "privs", "port", "tfa-challenge", "http-only"),
    is_public=True,
)
def ticket(request: Call) -> Row:
    """A ticket for a password or an older ticket."""
    access = request.site.access
    user = request.parameters["username"]
    try:
        access.by_login(user, request.parameters["password"], request.told_now)
    except Refused:
        raise ApiFailure(401, "authentication failed.") from None
    return {
        "username": user,
        "ticket": access.ticket(user, request.told_now),
        "CSRFPreventionToken": access.csrf_token(user, request.told_now),
    }


@call("GET", "/access/permissions", parameters=("auth-id", "path"))
def permissions(request: Call) -> dict[str, dict[str, bool]]:
    """What the caller may do: ACL path -> privilege -> does it propagate."""
    account = request.account
    assert account is not None
    wanted = request.parameters.get("path")
    paths = [wanted] if wanted else list(account.privileges) or ["/"]
    granted = {name for names in account.privileges.values() for name in names}
    known = sorted(request.site.access.administrator if account.is_superuser else granted)
    return {path: {name: True for name in known if account.has(path, name)} for path in paths}


@call("GET", "/access/users/{userid}/token/{token-name}")
def token(request: Call) -> Row:
    """One token of a user."""
    name = f"{request.names['userid']}!{request.names['token-name']}"
    request.demand("/access/users", "Sys.Audit")
    if name not in request.site.access.accounts:
        raise ApiFailure(400, f"no such token '{name}'")
    return {"tokenid": name, "expire": int(request.site.access.accounts[name].expires_at), "enable": True}


@call("GET", "/version")
def version(request: Call) -> Row:
    """Version, release and commit."""
    server = backup_server_of(request)
    return {"version": "{}.{}".format(*server.version), "release": server.release, "repoid": server.repoid}


@call("GET", "/ping", is_public=True)
def ping(request: Call) -> Row:
    """Signs of life for anybody."""
    del request
    return {"pong": True}


@call("GET", "/nodes", is_root_only=True)
def nodes(request: Call) -> list[Row]:
    """The one node; only root may ask."""
    del request
    return [{"node": "localhost"}]


@call("GET", "/nodes/{node}/status", privilege=("/system/status", "Sys.Audit"))
def node_status(request: Call) -> Row:
    """Load, memory and hardware."""
    server = backup_server_of(request)
    if request.names["node"] not in ("localhost", server.name):
        raise ApiFailure(400, f"no such node '{request.names['node']}'")
    now, load = request.now, server.load
    cpu = curves.cpu_ratio(load, now)
    used = int(server.memory_bytes * curves.memory_ratio(load, now))
    root_used = int(server.root_bytes * 0.11)
    answer: Row = {
        "cpu": min(1.0, cpu * (1 + 0.4 * curves.noise(load.seed + 3, int(now)))),
        "wait": 0.002 + 0.03 * abs(curves.noise(load.seed + 4, int(now / 10))),
        "loadavg": [
            round(
                cpu * server.cpus * (1 + 0.2 * curves.noise(load.seed + minutes, int(now / 20 / minutes))), 2
            )
            for minutes in (1, 5, 15)
        ],
        "memory": {
            "total": server.memory_bytes,
            "used": used,
            "free": int((server.memory_bytes - used) * 0.4),
        },
        "swap": {"total": server.swap_bytes, "used": 0, "free": server.swap_bytes},
        "root": {
            "total": server.root_bytes,
            "used": root_used,
            "avail": server.root_bytes - root_used - 12 * GIB,
        },
        "uptime": int(max(0.0, now - server.started_at)),
        "cpuinfo": {"model": server.cpu_model, "sockets": 1, "cpus": server.cpus},
        "kversion": f"Linux {server.kernel} #1 SMP PREEMPT_DYNAMIC",
        "current-kernel": {
            "sysname": "Linux",
            "release": server.kernel,
            "version": "#1 SMP PREEMPT_DYNAMIC",
            "machine": "x86_64",
        },
        "boot-info": {"mode": "efi", "secureboot": False},
        "info": {"fingerprint": server.fingerprint.lower()},
    }
    answer.update(server.fixed)
    return answer


@call("GET", "/admin/datastore")
def datastores(request: Call) -> list[Row]:
    """The datastores that the caller may see."""
    server = backup_server_of(request)
    rows = []
    for store in _visible(request):
        row: Row = {"store": store.name}
        if store.comment:
            row["comment"] = store.comment
        if store.maintenance:
            row["maintenance"] = store.maintenance
        rows.append(row | _backend(server, store))
    return rows


@call("GET", "/status/datastore-usage")
def datastore_usage(request: Call) -> Encoded:
    """Size, use and a month of history of each datastore."""
    assert request.account is not None
    return request.site.shared_body(
        ("usage", request.account.name, str(request.told_now - request.now)),
        request.now,
        lambda: encode([_usage(request, store) for store in _visible(request) if not store.is_left_out]),
    )


def _visible(request: Call) -> list[Datastore]:
    stores = backup_server_of(request).datastores.values()
    return [store for store in stores if request.may(f"/datastore/{store.name}", "Datastore.Audit")]


def _backend(server: BackupServer, store: Datastore) -> Row:
    row: Row = {}
    if server.version >= (3, 3):
        row["mount-status"] = store.mount_status
    if server.version >= (4, 0):
        row["backend-type"] = store.backend
    return row


def _usage(request: Call, store: Datastore) -> Row:
    server = backup_server_of(request)
    row: Row = {"store": store.name} | _backend(server, store)
    if store.mount_status == "notmounted":
        return row
    if store.error or store.closed_text:
        return row | {"error": store.error or f"datastore '{store.name}' is unavailable: {store.closed_text}"}
    now = request.now
    row |= sizes(request, store)
    start = int(request.told_now) // HISTORY_STEP_SECONDS * HISTORY_STEP_SECONDS
    start -= HISTORY_LENGTH * HISTORY_STEP_SECONDS
    offset = int(now - request.told_now)
    history = [
        round(_used_ratio(store, start + offset + index * HISTORY_STEP_SECONDS), 8)
        for index in range(HISTORY_LENGTH)
    ]
    row |= {
        "history": history,
        "history-start": start,
        "history-delta": HISTORY_STEP_SECONDS,
        "estimated-full-date": _estimate(store, request.told_now, row["used"]),
    }
    row.update(store.fixed)
    return row


def sizes(request: Call, store: Datastore) -> Row:
    """Return size, use and garbage collection of a datastore."""
    used = used_bytes(store, request.now)
    return {
        "total": store.total_bytes,
        "used": used,
        "avail": max(0, store.total_bytes - used - store.total_bytes // 50),
        "gc-status": gc_status(backup_server_of(request), store, request.now),
    }


def used_bytes(store: Datastore, at: float) -> int:
    """Return what of a datastore is in use at an instant."""
    return int(store.total_bytes * _used_ratio(store, at))


def _used_ratio(store: Datastore, at: float) -> float:
    """Return the use at an instant: a slow rise, a step at each nightly backup, a drop when the week is pruned."""
    weeks = at / 604_800
    hour = int(at / 3_600)
    rise = store.growth_ratio * 7 * (weeks % 1)
    return min(0.985, store.used_ratio + rise + 0.0006 * curves.noise(store.seed, hour))


def _estimate(store: Datastore, now: float, used: int) -> int:
    if store.growth_ratio <= 0:
        return 0
    days = (1 - used / store.total_bytes) / store.growth_ratio
    return int(now - now % HISTORY_STEP_SECONDS + days * 86_400)


def gc_status(server: BackupServer, store: Datastore, now: float) -> Row:
    """Return what the last garbage collection found."""
    used = used_bytes(store, now)
    last_run = int(now) // 86_400 * 86_400
    chunks = used // (2 << 20)
    status: Row = {
        "upid": f"UPID:{server.name}:00000A1B:0000C0DE:00000042:{last_run:08X}:garbage_collection:{store.name}:root@pam:",
        "index-file-count": chunks // 900,
        "index-data-bytes": int(used * store.deduplication),
        "disk-bytes": used,
        "disk-chunks": chunks,
        "removed-bytes": used // 220,
        "removed-chunks": chunks // 220,
        "pending-bytes": used // 400,
        "pending-chunks": chunks // 400,
        "removed-bad": 0,
        "still-bad": 0,
    }
    if server.version >= (3, 4):
        status["cache-stats"] = {"hits": chunks * 12, "misses": chunks}
    return status
