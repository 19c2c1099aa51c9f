"""Answers of the fake against the schemas that Proxmox publishes."""

from __future__ import annotations

from typing import Any

import pytest
from jsonschema import Draft202012Validator

from tests.fake_proxmox import FakeServer, PbsSpec, PveSpec
from tests.fake_proxmox.fixtures import virtual_estate
from tests.fake_proxmox.pbs import TABLE as PBS_TABLE
from tests.fake_proxmox.pve import TABLE as PVE_TABLE
from tests.fakes.raw import get, post
from tests.fakes.reference import reference, returned

PVE_CALLS = {
    "/version": "/version",
    "/nodes": "/nodes",
    "/cluster/resources": "/cluster/resources",
    "/cluster/status": "/cluster/status",
    "/access/permissions": "/access/permissions",
    "/nodes/{node}/status": "/nodes/pve-02/status",
    "/nodes/{node}/version": "/nodes/pve-02/version",
}
PBS_CALLS = {
    "/version": "/version",
    "/ping": "/ping",
    "/admin/datastore": "/admin/datastore",
    "/status/datastore-usage": "/status/datastore-usage",
    "/nodes/{node}/status": "/nodes/localhost/status",
    "/access/permissions": "/access/permissions",
}


def _complaints(schema: dict[str, Any], data: Any) -> list[str]:
    return [
        f"{list(error.path)}: {error.message}" for error in Draft202012Validator(schema).iter_errors(data)
    ]


def _login(server: FakeServer) -> Any:
    return post(server, "/access/ticket", {"username": server.user, "password": server.password}).data


@pytest.mark.parametrize("path", PVE_CALLS)
@pytest.mark.parametrize("version", ["7.4", "8.4", "9.2"])
def test_pve_answer_follows_the_published_schema(version: str, path: str) -> None:
    schema = returned(reference(f"schema/pve-{version}.json"), path, product="pve")

    with virtual_estate(PveSpec(nodes=3, guests=60, version=version, dead_nodes=1)) as estate:
        data = get(estate.servers[0], PVE_CALLS[path]).data

    assert data
    assert _complaints(schema, data) == []


@pytest.mark.parametrize("version", ["7.4", "8.4", "9.2"])
def test_pve_ticket_follows_the_published_schema(version: str) -> None:
    schema = returned(reference(f"schema/pve-{version}.json"), "/access/ticket", product="pve", method="POST")

    with virtual_estate(PveSpec(version=version)) as estate:
        data = _login(estate.servers[0])

    assert _complaints(schema, data) == []


@pytest.mark.parametrize("path", PBS_CALLS)
def test_pbs_answer_follows_the_published_schema(path: str) -> None:
    schema = returned(reference("schema/pbs-4.json"), path, product="pbs")

    with virtual_estate(PbsSpec(datastores=4)) as estate:
        estate.site("vault").set_datastore("archive", maintenance="offline")
        estate.site("vault").set_datastore("offsite", mount_status="notmounted")
        data = get(estate.servers[0], PBS_CALLS[path]).data

    assert data
    assert _complaints(schema, data) == []


def test_pbs_ticket_follows_the_published_schema(fake_pbs: FakeServer) -> None:
    schema = returned(reference("schema/pbs-4.json"), "/access/ticket", product="pbs", method="POST")

    assert _complaints(schema, _login(fake_pbs)) == []


@pytest.mark.parametrize(
    ("name", "product"),
    [("pve-7.4", "pve"), ("pve-8.4", "pve"), ("pve-9.2", "pve"), ("pbs-4", "pbs")],
)
def test_every_call_of_the_fake_is_published_with_its_parameters(name: str, product: str) -> None:
    paths = reference(f"schema/{name}.json")["paths"]
    table = PVE_TABLE if product == "pve" else PBS_TABLE

    wrong = []
    for entry in table.entries:
        path = "/" + "/".join(entry.segments)
        published = paths.get(path, {}).get(entry.method)
        names = {part[1:-1] for part in entry.segments if part.startswith("{")}
        if published is None or not entry.parameters <= set(published["parameters"]) - names:
            wrong.append((entry.method, path))

    assert wrong == []


@pytest.mark.parametrize(("name", "product"), [("pve-9.2", "pve"), ("pbs-4", "pbs")])
def test_privileges_of_the_fake_are_the_published_ones(name: str, product: str) -> None:
    paths = reference(f"schema/{name}.json")["paths"]
    table = PVE_TABLE if product == "pve" else PBS_TABLE

    wrong = []
    for entry in table.entries:
        path = "/" + "/".join(entry.segments)
        published = paths[path][entry.method]["permissions"] or {}
        check, privilege = published.get("check"), entry.privilege
        if isinstance(check, dict):
            check = ["perm", "/" + "/".join(check["path"]), check["privs"]]
        expected = (check[1], check[2][0]) if check else None
        if privilege != expected or entry.is_public != (published.get("user") == "world"):
            wrong.append((path, privilege, expected))

    assert wrong == []


def test_validator_notices_what_it_is_there_for() -> None:
    schema = returned(
        {
            "paths": {
                "/x": {
                    "GET": {
                        "returns": {
                            "type": "object",
                            "properties": {
                                "on": {"type": "boolean"},
                                "n": {"type": "integer", "optional": 1},
                            },
                        }
                    }
                }
            }
        },
        "/x",
        product="pve",
    )

    assert _complaints(schema, {"on": 1}) == []
    assert len(_complaints(schema, {"on": "yes", "n": "1"})) == 2
    assert len(_complaints(schema, {})) == 1
