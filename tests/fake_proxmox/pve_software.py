"""The calls of Proxmox VE about what runs on a node, and about its packages."""

from __future__ import annotations

from tests.fake_proxmox.calls import Call
from tests.fake_proxmox.figures import Row
from tests.fake_proxmox.pve import call, cluster_of, node_of

_AUDIT = ("/nodes/{node}", "Sys.Audit")
_SERVICES = {
    "chrony": "chrony, an NTP client/server",
    "corosync": "Corosync Cluster Engine",
    "cron": "Regular background program processing daemon",
    "postfix": "Postfix Mail Transport Agent",
    "pve-cluster": "The Proxmox VE cluster filesystem",
    "pve-firewall": "Proxmox VE firewall",
    "pve-ha-crm": "PVE Cluster HA Resource Manager Daemon",
    "pve-ha-lrm": "PVE Local HA Resource Manager Daemon",
    "pvedaemon": "PVE API Daemon",
    "pveproxy": "PVE API Proxy Server",
    "pvescheduler": "Proxmox VE scheduler",
    "pvestatd": "PVE Status Daemon",
    "qmeventd": "PVE Qemu Event Daemon",
    "spiceproxy": "PVE SPICE Proxy Server",
    "syslog": "syslog.service",
}
_RUNS = {"state": "running", "active-state": "active", "unit-state": "enabled"}
_STOPPED = {"state": "dead", "active-state": "inactive"}


@call("GET", "/nodes/{node}/services", privilege=_AUDIT, is_proxied=True)
def services(request: Call) -> list[Row]:
    """The services of a node in the words of systemd; a silent status daemon runs and hangs."""
    node = node_of(request)
    usual = {"syslog": {**_STOPPED, "unit-state": "not-found"}}
    if not cluster_of(request).is_cluster:
        usual["corosync"] = _STOPPED
    return [
        {
            "service": name,
            "name": name,
            "desc": text,
            **_RUNS,
            **usual.get(name, {}),
            **node.services.get(name, {}),
        }
        for name, text in _SERVICES.items()
    ]


@call("GET", "/nodes/{node}/apt/repositories", privilege=_AUDIT, is_proxied=True)
def repositories(request: Call) -> Row:
    """The files of repositories, with what is wrong with them."""
    path = "/etc/apt/sources.list.d/proxmox.sources"
    repository = {
        "Enabled": 1,
        "Types": ["deb"],
        "URIs": ["http://download.proxmox.com/debian/pve"],
        "Suites": ["trixie"],
        "Components": ["pve-no-subscription"],
        "FileType": "sources",
    }
    origin = {"path": path, "index": "0", "kind": "origin", "message": "Proxmox"}
    warnings = [
        {"path": name, "index": "0", "property": "Suites", "kind": "warning", "message": text}
        for name, text in node_of(request).repository_problems
    ]
    return {
        "files": [{"path": path, "file-type": "sources", "repositories": [repository], "digest": [7] * 32}],
        "errors": [],
        "infos": [origin, *warnings],
        "standard-repos": [
            {"handle": "enterprise", "name": "Enterprise"},
            {"handle": "no-subscription", "name": "No-Subscription", "status": 1},
        ],
        "digest": "5" * 64,
    }
