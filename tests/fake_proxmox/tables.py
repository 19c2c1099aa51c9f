"""The calls of each product, all modules that hold some of them included."""

from __future__ import annotations

from tests.fake_proxmox import (
    pbs,
    pbs_contents,
    pbs_hardware,
    pbs_jobs,
    pbs_node,
    pbs_rrd,
    pmg,
    pmg_rrd,
    pve,
    pve_agent,
    pve_backups,
    pve_cluster,
    pve_export,
    pve_guests,
    pve_hardware,
    pve_rrd,
    pve_software,
    pve_storage,
    pve_tasks,
)

TABLES = {"pve": pve.TABLE, "pbs": pbs.TABLE, "pmg": pmg.TABLE}
#: Importing these is what enters their calls.
MODULES = (
    pbs_contents,
    pbs_hardware,
    pbs_jobs,
    pbs_node,
    pbs_rrd,
    pmg_rrd,
    pve_agent,
    pve_backups,
    pve_cluster,
    pve_export,
    pve_guests,
    pve_hardware,
    pve_rrd,
    pve_software,
    pve_storage,
    pve_tasks,
)
