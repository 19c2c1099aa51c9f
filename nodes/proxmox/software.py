"""The calls about what runs on one node of a PVE, and about its packages. Readers raise BadAnswer only.

Source: api-facts.md section 4.1, slow lane.
"""

from __future__ import annotations

from nodes.proxmox.calls import Call
from nodes.proxmox.readings.software import ServiceReading
from nodes.proxmox.rows import Rows, row_of

#: Proxmox lists some thirty.
SERVICES_LIMIT = 200

read_services = Rows("the services", row_of(ServiceReading), by=("name",), limit=SERVICES_LIMIT)

#: The node asks systemd about each of them.
services = Call("/nodes/{node}/services", read_services)
