"""The calls about what runs on one node of a PVE, and about its packages. Readers raise BadAnswer only.

Source: api-facts.md section 4.1, slow lane.
"""

from __future__ import annotations

from nodes.proxmox.calls import Call
from nodes.proxmox.readings.software import (
    RepositoriesReading,
    RepositoryProblemReading,
    ServiceReading,
    StandardRepositoryReading,
)
from nodes.proxmox.rows import Row, Rows, entries, fields_of, row_of
from nodes.proxmox.values import text_of, word

REPOSITORIES_LIMIT = 200

read_services = Rows("the services", row_of(ServiceReading), by=("name",))

_warning = row_of(RepositoryProblemReading)
_unreadable = row_of(RepositoryProblemReading, message=(text_of(300), "error"))
_standard = row_of(StandardRepositoryReading)


def read_repositories(data: object) -> RepositoriesReading:
    """Return the reading of GET /nodes/{node}/apt/repositories; of its `infos` only the warnings, the others name origins."""
    row = fields_of(data, "the package repositories")
    warnings = (one for one in _rows(row, "infos") if word(one.get("kind")) == "warning")
    problems = [*map(_unreadable, _rows(row, "errors")), *map(_warning, warnings)]
    standard = map(_standard, _rows(row, "standard-repos"))
    return RepositoriesReading(
        tuple(dict.fromkeys(one for one in problems if one is not None)),
        tuple(one for one in standard if one is not None),
    )


def _rows(row: Row, key: str) -> list[Row]:
    return entries(row.get(key), REPOSITORIES_LIMIT)


#: The node asks systemd about each of them.
services = Call("/nodes/{node}/services", read_services)
#: From PVE 7. The node reads its files, and asks nobody else.
repositories = Call("/nodes/{node}/apt/repositories", read_repositories)
