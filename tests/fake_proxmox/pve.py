"""The calls of Proxmox VE."""

from __future__ import annotations

import zlib

from tests.fake_proxmox import curves
from tests.fake_proxmox.access import Refused
from tests.fake_proxmox.calls import ApiFailure, Call, Encoded, Table
from tests.fake_proxmox.figures import NODE_FIGURES, Row, Rows, encode, node_figures
from tests.fake_proxmox.model import Cluster, Node

TABLE = Table()
call = TABLE.call

_RESOURCE_TYPES = ("vm", "storage", "node", "sdn")
_MIB = 1 << 20


def cluster_of(request: Call) -> Cluster:
    """Return the cluster that is asked."""
    model = request.site.model
    assert isinstance(model, Cluster)
    return model


def check_node(request: Call, name: str) -> None:
    """Refuse for a node that is not there or cannot be reached, as the proxying node does."""
    cluster = cluster_of(request)
    if name == "localhost":
        return
    if name not in cluster.nodes:
        raise ApiFailure(
            500,
            f"hostname lookup '{name}' failed - failed to get address info for: {name}: Name or service not known",
        )
    if cluster.nodes[name].died_at is not None:
        raise ApiFailure(595, "No route to host")


def node_of(request: Call) -> Node:
    """Return the node that the path names."""
    name = request.names["node"]
    return cluster_of(request).nodes[request.server.name if name == "localhost" else name]


@call(
    "POST",
    "/access/ticket",
    required=("password", "username"),
    parameters=("realm", "otp", "tfa-challenge", "new-format", "path", "privs"),
    is_public=True,
)
def ticket(request: Call) -> Row:
    """A ticket for a password or an older ticket."""
    access = request.site.access
    user = request.parameters["username"]
    if "realm" in request.parameters and "@" not in user:
        user = f"{user}@{request.parameters['realm']}"
    password = request.parameters["password"]
    challenge = request.parameters.get("tfa-challenge", "")
    try:
        if challenge:
            account = access.accounts.get(user)
            if account is None or not password.startswith(("totp:", "recovery:")):
                raise Refused("authentication failure")
        else:
            account = access.by_login(user, password, request.told_now)
    except Refused as refused:
        raise ApiFailure(401, str(refused)) from None
    csrf = access.csrf_token(user, request.told_now)
    if account.needs_second_factor and not challenge and not password.startswith("PVE:"):
        return {
            "username": user,
            "ticket": access.half_ticket(user, request.told_now),
            "CSRFPreventionToken": csrf,
            "NeedTFA": 1,
        }
    answer: Row = {
        "username": user,
        "ticket": access.ticket(user, request.told_now),
        "CSRFPreventionToken": csrf,
        "cap": _capabilities(request, user),
    }
    if cluster_of(request).is_cluster and account.has("/", "Sys.Audit"):
        answer["clustername"] = cluster_of(request).name
    return answer


def _capabilities(request: Call, user: str) -> dict[str, dict[str, int]]:
    account = request.site.access.accounts[user]
    areas = {
        "vms": ("/vms", "VM.Audit"),
        "storage": ("/storage", "Datastore.Audit"),
        "nodes": ("/nodes", "Sys.Audit"),
        "dc": ("/", "Sys.Audit"),
        "access": ("/access", "User.Modify"),
        "sdn": ("/sdn", "SDN.Audit"),
        "mapping": ("/mapping", "Mapping.Audit"),
    }
    return {area: {right: 1} if account.has(path, right) else {} for area, (path, right) in areas.items()}


@call("GET", "/access/permissions", parameters=("path", "userid"))
def permissions(request: Call) -> dict[str, dict[str, int]]:
    """What the caller, or one of its tokens, may do: ACL path -> privilege -> does it propagate."""
    account = request.account
    assert account is not None
    wanted, access = request.parameters.get("path"), request.site.access
    other = request.parameters.get("userid", account.name)
    if other != account.name:
        if other.partition("!")[0] != account.name:
            request.demand("/access", "Sys.Audit")
        if other not in access.accounts:
            raise ApiFailure(500, f"no such user ('{other}')")
        account = access.accounts[other]
    areas = ("/", "/access", "/nodes", "/pool", "/sdn", "/storage", "/vms")
    paths = [wanted] if wanted else [*areas, *account.privileges]
    granted = (
        access.administrator if account.is_superuser else frozenset().union(*account.privileges.values())
    )
    known = sorted(granted)
    answer = {path: {name: 1 for name in known if account.has(path, name)} for path in paths}
    return {path: granted for path, granted in answer.items() if granted}


@call("GET", "/access/users/{userid}")
def user(request: Call) -> Row:
    """A user with its tokens; no token may ask about itself without the right."""
    name, accounts = request.names["userid"], request.site.access.accounts
    if not request.may("/access/groups", "Sys.Audit", "User.Modify"):
        raise ApiFailure(403, "Permission check failed (/access/groups, Sys.Audit|User.Modify)")
    if name not in accounts:
        raise ApiFailure(500, f"no such user ('{name}')")
    tokens = {
        token.partition("!")[2]: {"expire": int(one.expires_at), "privsep": 1}
        for token, one in accounts.items()
        if token.startswith(f"{name}!")
    }
    return {"enable": 1, "expire": int(accounts[name].expires_at), "groups": [], "tokens": tokens}


@call("GET", "/version")
def version(request: Call) -> Row:
    """The release of the answering node."""
    release = cluster_of(request).version_of(request.server.name)
    return {"version": release.version, "release": release.release, "repoid": release.repoid}


@call("GET", "/nodes/{node}/version", is_proxied=True)
def node_version(request: Call) -> Row:
    """The release of the named node."""
    release = cluster_of(request).version_of(node_of(request).name)
    return {"version": release.version, "release": release.release, "repoid": release.repoid}


@call("GET", "/nodes/{node}/time", privilege=("/nodes/{node}", "Sys.Audit"), is_proxied=True)
def node_time(request: Call) -> Row:
    """The clock of a node; `localtime` counts as if its wall clock showed UTC."""
    node_of(request)
    now = int(request.told_now)
    return {"time": now, "localtime": now + 3_600, "timezone": "Europe/Vienna"}


@call("GET", "/nodes")
def nodes(request: Call) -> list[Row]:
    """The node rows, with the fingerprint of each certificate."""
    cluster = cluster_of(request)
    rows = []
    for row in request.site.rows(request.now).nodes:
        shown = _node_row(request, row)
        shown.pop("hastate", None)
        shown.pop("cgroup-mode", None)
        rows.append({**shown, "ssl_fingerprint": cluster.nodes[row["node"]].fingerprint})
    return rows


@call("GET", "/cluster/resources", parameters=("type",))
def resources(request: Call) -> Encoded:
    """Everything the caller may see, in one list."""
    wanted = request.parameters.get("type", "")
    if wanted and wanted not in _RESOURCE_TYPES:
        text = f"value '{wanted}' does not have a value in the enumeration '{', '.join(_RESOURCE_TYPES)}'"
        raise ApiFailure(400, "Parameter verification failed.", {"type": text})
    assert request.account is not None
    return request.site.shared_body(
        ("resources", wanted, request.account.name),
        request.now,
        lambda: encode(_visible(request, request.site.rows(request.now), wanted)),
    )


def _visible(request: Call, rows: Rows, wanted: str) -> list[Row]:
    """Return the rows that the caller's rights and the `type` parameter leave."""
    found: list[Row] = []
    if not wanted:
        found += [row for row in rows.pools if request.may(row["id"], "Pool.Audit")]
    if wanted in ("", "vm"):
        found += (
            rows.guests
            if _sees_all(request, "VM.Audit")
            else [r for r in rows.guests if _sees_guest(request, r)]
        )
    if wanted in ("", "node"):
        found += [_node_row(request, row) for row in rows.nodes]
    if wanted in ("", "storage"):
        found += [
            row for row in rows.storages if request.may(f"/storage/{row['storage']}", "Datastore.Audit")
        ]
    if wanted in ("", "sdn"):
        found += [row for row in rows.networks if request.may("/sdn/zones/localnetwork", "SDN.Audit")]
    return found


def _sees_all(request: Call, privilege: str) -> bool:
    account = request.account
    assert account is not None
    return account.is_superuser or (set(account.privileges) == {"/"} and account.has("/", privilege))


def _sees_guest(request: Call, row: Row) -> bool:
    return request.may(f"/vms/{row['vmid']}", "VM.Audit")


def _node_row(request: Call, row: Row) -> Row:
    if request.may(f"/nodes/{row['node']}", "Sys.Audit"):
        return dict(row)
    return {key: value for key, value in row.items() if key not in NODE_FIGURES}


@call("GET", "/cluster/status", privilege=("/", "Sys.Audit"))
def cluster_status(request: Call) -> list[Row]:
    """The cluster, if it is one, and its members, in no particular order."""
    cluster = cluster_of(request)
    entries: list[Row] = []
    if cluster.is_cluster:
        entries.append(
            {
                "type": "cluster",
                "id": "cluster",
                "name": cluster.name,
                "nodes": len(cluster.nodes),
                "quorate": int(cluster.is_quorate),
                "version": cluster.config_version,
            }
        )
    for node in cluster.nodes.values():
        entries.append(
            {
                "type": "node",
                "id": f"node/{node.name}",
                "name": node.name,
                "nodeid": node.node_id if cluster.is_cluster else 0,
                "ip": node.address,
                "online": int(node.died_at is None),
                "local": int(node.name == request.server.name),
                "level": "",
            }
        )
    turn = int(request.now) % len(entries)
    return entries[turn:] + entries[:turn]


@call("GET", "/nodes/{node}/status", privilege=("/nodes/{node}", "Sys.Audit"), is_proxied=True)
def node_status(request: Call) -> Row:
    """Load, memory, swap, kernel and hardware of one node, read just now."""
    node = node_of(request)
    release = cluster_of(request).version_of(node.name)
    figures = node_figures(node, request.now, _in_use(request, node))
    total, used = figures["maxmem"], figures["mem"]
    cpu = worker_cpu(request, figures["cpu"], node.name)
    mean = figures["cpu"] * node.cpus * 1.15
    memory: Row = {"total": total, "used": used, "free": int((total - used) * 0.6)}
    if release.number >= (9, 0):
        memory["available"] = total - used
    root_used = figures["disk"]
    answer: Row = {
        "cpu": cpu,
        "wait": 0.004 + 0.02 * abs(curves.noise(node.load.seed + 5, int(request.now / 10))),
        "idle": 0,
        "loadavg": [
            f"{mean * (1 + 0.2 * curves.noise(node.load.seed + minutes, int(request.now / 20 / minutes))):.2f}"
            for minutes in (1, 5, 15)
        ],
        "cpuinfo": {
            "model": node.cpu_model,
            "sockets": node.sockets,
            "cores": node.cpus // 2,
            "cpus": node.cpus,
            "mhz": node.cpu_mhz,
            "hvm": "1",
            "user_hz": 100,
            "flags": "fpu vme de pse tsc msr pae mce cx8 apic sep svm aes avx avx2",
        },
        "memory": memory,
        "swap": {
            "total": node.swap_bytes,
            "used": int(node.swap_bytes * 0.03),
            "free": node.swap_bytes - int(node.swap_bytes * 0.03),
        },
        "rootfs": {
            "total": node.root_bytes,
            "used": root_used,
            # The blocks reserved for root are free and yet not available.
            "free": node.root_bytes - root_used,
            "avail": max(0, node.root_bytes - root_used - node.root_bytes // 20),
        },
        "ksm": {"shared": 3_500 * _MIB if node.cpus > 16 else 0},
        "kversion": f"Linux {release.kernel} {release.kernel_build}",
        "pveversion": f"pve-manager/{release.version}/{release.repoid}",
        "uptime": figures["uptime"],
    }
    if release.number >= (8, 0):
        answer["current-kernel"] = {
            "sysname": "Linux",
            "release": release.kernel,
            "version": release.kernel_build,
            "machine": "x86_64",
        }
        answer["boot-info"] = {"mode": "efi", "secureboot": 0}
    return answer


def _in_use(request: Call, node: Node) -> list[float]:
    guests = [
        row for row in request.site.rows(request.now).guests if row["node"] == node.name and "cpu" in row
    ]
    return [sum(row["cpu"] * row["maxcpu"] for row in guests), float(sum(row["mem"] for row in guests))]


def worker_cpu(request: Call, cpu: float, name: str) -> float:
    """Return CPU as one of three workers sees it: 0 at its first call, then means over odd spans."""
    counts: dict[str, int] = request.site.worker_calls
    counts[name] = counts.get(name, 0) + 1
    if counts[name] <= 3:
        return 0.0
    return float(min(1.0, cpu * (1 + 0.5 * curves.noise(zlib.crc32(name.encode()), counts[name]))))
