"""The calls of Proxmox VE about the host itself: disks, pools, certificates, subscription, updates."""

from __future__ import annotations

from tests.fake_proxmox import hardware
from tests.fake_proxmox.calls import ApiFailure, Call
from tests.fake_proxmox.figures import Row
from tests.fake_proxmox.pve import call, cluster_of, node_of

_AUDIT = ("/", "Sys.Audit")
_BEFORE_8: tuple[tuple[int, int], tuple[str, ...]] = ((8, 0), ("/", "Sys.Audit", "Datastore.Audit"))


def _version(request: Call) -> tuple[int, int]:
    return cluster_of(request).version_of(node_of(request).name).number


@call(
    "GET", "/nodes/{node}/disks/list", parameters=("include-partitions", "skipsmart", "type"), is_proxied=True
)
def disk_list(request: Call) -> list[Row]:
    """The disks of a node; health and wear only when SMART may be asked."""
    node, version = node_of(request), _version(request)
    privileges = ("Sys.Audit",) if version >= (8, 0) else ("Sys.Audit", "Datastore.Audit")
    if not request.may("/", *privileges):
        request.demand(f"/nodes/{node.name}", *privileges)
    has_smart = not request.flag("skipsmart")
    return [
        hardware.disk_row(disk, has_smart=has_smart, has_osd_list=version >= (8, 0))
        for disk in hardware.disks(cluster_of(request), node)
    ]


@call(
    "GET",
    "/nodes/{node}/disks/smart",
    parameters=("healthonly",),
    required=("disk",),
    privilege=_AUDIT,
    older_privilege=_BEFORE_8,
    is_proxied=True,
)
def smart(request: Call) -> Row:
    """What SMART says of one disk."""
    wanted = request.parameters["disk"]
    disk = next(
        (disk for disk in hardware.disks(cluster_of(request), node_of(request)) if disk.path == wanted), None
    )
    if disk is None:
        raise ApiFailure(500, f"not a valid block device: '{wanted}'")
    answer = hardware.smart(disk)
    return {"health": answer["health"]} if request.flag("healthonly") else answer


@call("GET", "/nodes/{node}/disks/zfs", privilege=_AUDIT, older_privilege=_BEFORE_8, is_proxied=True)
def zfs_pools(request: Call) -> list[Row]:
    """The ZFS pools of a node."""
    cluster, node = cluster_of(request), node_of(request)
    if not node.has_zfs:
        raise ApiFailure(500, "zfsutils-linux not installed")
    return [hardware.pool_row(cluster, node, name, request.now) for name in hardware.pools(cluster, node)]


@call("GET", "/nodes/{node}/disks/zfs/{name}", privilege=_AUDIT, older_privilege=_BEFORE_8, is_proxied=True)
def zfs_pool(request: Call) -> Row:
    """One ZFS pool with its devices."""
    cluster, node, name = cluster_of(request), node_of(request), request.names["name"]
    if not node.has_zfs:
        raise ApiFailure(500, "zfsutils-linux not installed")
    if name not in hardware.pools(cluster, node):
        raise ApiFailure(500, f"cannot open '{name}': no such pool")
    return hardware.pool_detail(cluster, node, name)


@call("GET", "/nodes/{node}/disks/lvmthin", privilege=_AUDIT, older_privilege=_BEFORE_8, is_proxied=True)
def thin_pools(request: Call) -> list[Row]:
    """The LVM thin pools of a node."""
    return hardware.thin_pools(cluster_of(request), node_of(request))


@call("GET", "/nodes/{node}/certificates/info", is_proxied=True)
def certificates(request: Call) -> list[Row]:
    """The authority of the cluster, and the certificate that the node serves."""
    node = node_of(request)
    server = request.site.server(node.name)
    served = server.certificate_row("pve-ssl.pem")
    authority = {
        **served,
        "filename": "pve-root-ca.pem",
        "subject": served["issuer"],
        "notafter": int(node.certificate_expires_at) + 2_900 * 86_400,
        "fingerprint": ":".join(["5A"] * 32),
        "san": [],
        "pem": server.authority_pem or served["pem"],
    }
    return [authority, served]


@call("GET", "/nodes/{node}/subscription", is_proxied=True)
def subscription(request: Call) -> Row:
    """The subscription of a node, or that there is none."""
    node = node_of(request)
    serverid = f"{node.load.seed:032X}"
    if not node.subscription:
        return {
            "status": "notfound",
            "message": "There is no subscription key",
            "serverid": serverid,
            "url": "https://www.proxmox.com/en/proxmox-virtual-environment/pricing",
        }
    return {
        "status": "active",
        "key": "pve2c-0123456789",
        "level": "c",
        "productname": "Proxmox VE Community Subscription 2 CPUs/year",
        "regdate": "2025-03-01 00:00:00",
        "nextduedate": "2026-03-01",
        "checktime": int(request.told_now) - 30_000,
        "serverid": serverid,
        "sockets": node.sockets,
        "url": "https://www.proxmox.com/en/proxmox-virtual-environment/pricing",
        **node.subscription,
    }


@call("GET", "/nodes/{node}/apt/update", privilege=("/nodes/{node}", "Sys.Modify"), is_proxied=True)
def updates(request: Call) -> list[Row]:
    """The packages that have a newer version."""
    node = node_of(request)
    packages = (
        ("pve-manager", "Proxmox Virtual Environment Management Tools", "admin"),
        ("proxmox-kernel-6.17", "Latest Proxmox Kernel Image", "kernel"),
        ("openssl", "Secure Sockets Layer toolkit - cryptographic utility", "utils"),
    )
    return [
        {
            "Package": name,
            "Title": title,
            "Description": f"{title}.",
            "Version": f"9.2.{7 + number}",
            "OldVersion": f"9.2.{4 + number}",
            "Arch": "amd64",
            "Origin": "Debian" if name == "openssl" else "Proxmox",
            "Priority": "optional",
            "Section": section,
        }
        for number, (name, title, section) in enumerate(packages[: node.pending_updates])
    ]
