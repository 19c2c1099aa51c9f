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
