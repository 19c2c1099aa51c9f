"""Answers of the fake against the schemas that Proxmox publishes."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

import pytest
from jsonschema import Draft202012Validator

from tests.fake_proxmox import FakeServer, PbsSpec, PveSite, PveSpec
from tests.fake_proxmox.fixtures import virtual_estate
from tests.fake_proxmox.tables import TABLES
from tests.fakes.raw import get, post, rows, ticket_header, token_header
from tests.fakes.reference import reference, returned

PVE_CALLS = {
    "/version": "/version",
    "/nodes": "/nodes",
    "/cluster/resources": "/cluster/resources",
    "/cluster/status": "/cluster/status",
    "/cluster/config/nodes": "/cluster/config/nodes",
    "/access/permissions": "/access/permissions",
    "/access/users/{userid}": "/access/users/pulse@pve",
    "/nodes/{node}/status": "/nodes/pve-02/status",
    "/nodes/{node}/version": "/nodes/pve-02/version",
    "/nodes/{node}/time": "/nodes/pve-02/time",
    "/cluster/tasks": "/cluster/tasks",
    "/nodes/{node}/tasks": "/nodes/pve-02/tasks?source=all",
    "/nodes/{node}/tasks/{upid}/status": "/nodes/pve-02/tasks/{upid}/status",
    "/nodes/{node}/tasks/{upid}/log": "/nodes/pve-02/tasks/{upid}/log",
    "/storage": "/storage",
    "/nodes/{node}/storage": "/nodes/pve-02/storage",
    "/nodes/{node}/storage/{storage}/content": "/nodes/pve-02/storage/pbs-vault/content?content=backup",
    "/cluster/backup": "/cluster/backup",
    "/cluster/backup/{id}/included_volumes": "/cluster/backup/backup-7a31c9e0-nightly/included_volumes",
    "/cluster/backup-info/not-backed-up": "/cluster/backup-info/not-backed-up",
    "/nodes/{node}/qemu": "/nodes/pve-02/qemu",
    "/nodes/{node}/qemu?full=1": "/nodes/pve-02/qemu?full=1",
    "/nodes/{node}/lxc": "/nodes/pve-02/lxc",
    "/nodes/{node}/qemu/{vmid}/status/current": "/nodes/{node}/qemu/{vm}/status/current",
    "/nodes/{node}/lxc/{vmid}/status/current": "/nodes/{home}/lxc/{ct}/status/current",
    "/nodes/{node}/qemu/{vmid}/config": "/nodes/{node}/qemu/{vm}/config",
    "/nodes/{node}/lxc/{vmid}/config": "/nodes/{home}/lxc/{ct}/config",
    "/nodes/{node}/qemu/{vmid}/snapshot": "/nodes/{node}/qemu/{vm}/snapshot",
    "/nodes/{node}/lxc/{vmid}/snapshot": "/nodes/{home}/lxc/{ct}/snapshot",
    "/nodes/{node}/qemu/{vmid}/agent/get-fsinfo": "/nodes/{node}/qemu/{vm}/agent/get-fsinfo",
    "/nodes/{node}/lxc/{vmid}/interfaces": "/nodes/{home}/lxc/{ct}/interfaces",
    "/cluster/ha/status/current": "/cluster/ha/status/current",
    "/cluster/ha/resources": "/cluster/ha/resources",
    "/cluster/ceph/status": "/cluster/ceph/status",
    "/cluster/ceph/flags": "/cluster/ceph/flags",
    "/nodes/{node}/ceph/status": "/nodes/pve-02/ceph/status",
    "/nodes/{node}/ceph/osd": "/nodes/pve-02/ceph/osd",
    "/nodes/{node}/ceph/pool": "/nodes/pve-02/ceph/pool",
    "/cluster/replication": "/cluster/replication",
    "/nodes/{node}/replication": "/nodes/pve-02/replication",
    "/nodes/{node}/replication/{id}/status": "/nodes/pve-02/replication/{job}/status",
    "/nodes/{node}/disks/list": "/nodes/pve-02/disks/list",
    "/nodes/{node}/disks/smart": "/nodes/pve-02/disks/smart?disk=/dev/sda",
    "/nodes/{node}/disks/zfs": "/nodes/pve-02/disks/zfs",
    "/nodes/{node}/disks/zfs/{name}": "/nodes/pve-02/disks/zfs/rpool",
    "/nodes/{node}/disks/lvmthin": "/nodes/pve-02/disks/lvmthin",
    "/nodes/{node}/certificates/info": "/nodes/pve-02/certificates/info",
    "/nodes/{node}/subscription": "/nodes/pve-02/subscription",
    "/nodes/{node}/apt/update": "/nodes/pve-02/apt/update",
    "/nodes/{node}/apt/repositories": "/nodes/pve-02/apt/repositories",
    "/nodes/{node}/services": "/nodes/pve-02/services",
    "/nodes/{node}/rrddata": "/nodes/pve-02/rrddata?timeframe=hour",
    "/nodes/{node}/qemu/{vmid}/rrddata": "/nodes/{node}/qemu/{vm}/rrddata?timeframe=day",
    "/nodes/{node}/lxc/{vmid}/rrddata": "/nodes/{home}/lxc/{ct}/rrddata?timeframe=day&cf=MAX",
    "/nodes/{node}/storage/{storage}/rrddata": "/nodes/pve-02/storage/local/rrddata?timeframe=week",
    "/cluster/metrics/export": "/cluster/metrics/export",
}
PBS_CALLS = {
    "/nodes/{node}/apt/update": "/nodes/localhost/apt/update",
    "/version": "/version",
    "/ping": "/ping",
    "/admin/datastore": "/admin/datastore",
    "/status/datastore-usage": "/status/datastore-usage",
    "/nodes/{node}/status": "/nodes/localhost/status",
    "/access/permissions": "/access/permissions",
    "/access/users/{userid}/token/{token-name}": "/access/users/pulse@pbs/token/monitor",
    "/admin/datastore/{store}/namespace": "/admin/datastore/main/namespace",
    "/admin/datastore/{store}/groups": "/admin/datastore/main/groups",
    "/admin/datastore/{store}/snapshots": "/admin/datastore/main/snapshots",
    "/admin/datastore/{store}/status": "/admin/datastore/main/status?verbose=1",
    "/admin/datastore/{store}/gc": "/admin/datastore/main/gc",
    "/admin/gc": "/admin/gc",
    "/admin/sync": "/admin/sync?sync-direction=all",
    "/admin/verify": "/admin/verify",
    "/admin/prune": "/admin/prune",
    "/nodes/{node}/tasks": "/nodes/localhost/tasks",
    "/nodes/{node}/tasks/{upid}/status": "/nodes/localhost/tasks/{upid}/status",
    "/nodes/{node}/time": "/nodes/localhost/time",
    "/nodes/{node}/subscription": "/nodes/localhost/subscription",
    "/nodes/{node}/certificates/info": "/nodes/localhost/certificates/info",
    "/nodes/{node}/disks/list": "/nodes/localhost/disks/list",
    "/nodes/{node}/disks/smart": "/nodes/localhost/disks/smart?disk=sda",
    "/nodes/{node}/disks/zfs": "/nodes/localhost/disks/zfs",
    "/nodes/{node}/rrd": "/nodes/localhost/rrd?timeframe=hour&cf=AVERAGE",
    "/admin/datastore/{store}/rrd": "/admin/datastore/main/rrd?timeframe=year&cf=MAX",
    "/status/metrics": "/status/metrics",
}


ROWS = {
    "type": "array",
    "items": {
        "type": "object",
        "required": ["time"],
        "properties": {"time": {"type": "integer"}},
        "additionalProperties": {"type": "number"},
    },
}
#: Of these answers the published form says "null"; that of the metrics is that of PVE.
UNPUBLISHED = {
    "/nodes/{node}/rrd": ROWS,
    "/admin/datastore/{store}/rrd": ROWS,
    "/status/metrics": returned(reference("schema/pve-9.2.json"), "/cluster/metrics/export", product="pve"),
}
PBS_EVERYTHING = ["Sys.Audit", "Datastore.Audit", "Remote.Audit", "Sys.Modify"]
FILE = {
    "type": "object",
    "required": ["filename"],
    "additionalProperties": False,
    "properties": {
        "filename": {"type": "string"},
        "size": {"type": "integer"},
        "crypt-mode": {"enum": ["none", "encrypt", "sign-only"]},
    },
}
#: Calls that a version did not have yet.
NEWER_CALLS = {("/nodes/{node}/lxc/{vmid}/interfaces", "7.4"), ("/cluster/metrics/export", "7.4")}
EVERYTHING = ["Sys.Audit", "Datastore.Audit", "Remote.Audit", "Sys.Modify"]
FILE = {
    "type": "object",
    "required": ["filename"],
    "additionalProperties": False,
    "properties": {
        "filename": {"type": "string"},
        "size": {"type": "integer"},
        "crypt-mode": {"enum": ["none", "encrypt", "sign-only"]},
    },
}
#: Calls that a version did not have yet.
NEWER_CALLS = {("/nodes/{node}/lxc/{vmid}/interfaces", "7.4"), ("/cluster/metrics/export", "7.4")}
#: Facts of a real server that the published schema does not allow: `clipboard` is null where none is set.
NULLS = {"clipboard"}
EVERYTHING = [
    "Sys.Audit",
    "Datastore.Audit",
    "VM.Audit",
    "Pool.Audit",
    "Datastore.Allocate",
    "Sys.Modify",
    "VM.Monitor",
    "VM.GuestAgent.Audit",
]


def _full_answer(site: PveSite, path: str) -> Any:
    """Return what a token with all rights gets; {vm}, {ct} run on {node} and {home}, {upid} is a task of pve-02, {job} a replication there."""
    token = token_header(site.first, *site.add_token("all", {"/": EVERYTHING}))
    running = [row for row in rows(site.first, "guest") if row["status"] == "running"]
    vm = next(
        row
        for row in running
        if row["type"] == "qemu" and row["node"] != "pve-03" and site.guest(row["vmid"]).agent == "ok"
    )
    ct = next(row for row in running if row["type"] == "lxc")
    upid = get(site.first, "/nodes/pve-02/tasks").data[0]["upid"]
    job = next((one["id"] for one in get(site.first, "/nodes/pve-02/replication", token).data), "")
    site.start_task("pve-02", "qmigrate", "100", user="root@pam!mover")
    named = path.format(vm=vm["vmid"], node=vm["node"], ct=ct["vmid"], home=ct["node"], upid=upid, job=job)
    reply = get(site.first, named, token)
    assert reply.status == 200, reply.reason
    return reply.data


def _complaints(schema: dict[str, Any], data: Any) -> list[str]:
    return [
        f"{list(error.path)}: {error.message}" for error in Draft202012Validator(schema).iter_errors(data)
    ]


def _login(server: FakeServer) -> Any:
    return post(server, "/access/ticket", {"username": server.user, "password": server.password}).data


@pytest.mark.parametrize("path", PVE_CALLS)
@pytest.mark.parametrize("version", ["7.4", "8.4", "9.2"])
def test_pve_answer_follows_the_published_schema(version: str, path: str) -> None:
    published = reference(f"schema/pve-{version}.json")
    name = path.partition("?")[0]
    if name not in published["paths"]:
        assert (name, version) in NEWER_CALLS
        return
    schema = returned(published, name, product="pve")

    with virtual_estate(
        PveSpec(
            nodes=3,
            guests=60,
            version=version,
            dead_nodes=1,
            backup_troubles=True,
            replication_jobs=6,
            replication_trouble=True,
            disk_trouble=True,
        )
    ) as estate:
        data = _full_answer(estate.site("pve"), PVE_CALLS[path])

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
    if path.endswith("/snapshots"):
        # The published form says strings; real servers send objects.
        schema["items"]["properties"]["files"]["items"] = FILE
    if path.endswith("/groups"):
        # The published form says 1 at least; it is 0 while no backup is finished.
        schema["items"]["properties"]["last-backup"]["minimum"] = 0
    if path in UNPUBLISHED:
        schema = UNPUBLISHED[path]

    with virtual_estate(PbsSpec(datastores=4, verification_failures=1)) as estate:
        site = estate.site("vault")
        site.set_datastore("archive", maintenance="offline")
        site.set_datastore("offsite", mount_status="notmounted")
        site.add_backup("main", "vm", "100", is_finished=False)
        site.set_job("verify", "v-main", is_running=True)
        site.start_task("prune", "main")
        header = token_header(site.first, *site.add_token("all", {"/": PBS_EVERYTHING}))
        upid = quote(get(site.first, "/nodes/localhost/tasks?typefilter=backup").data[-1]["upid"], safe="")
        data = get(site.first, PBS_CALLS[path].format(upid=upid), header).data

    assert data
    assert _complaints(schema, data) == []


PMG_CALLS = {
    "/version": "/version",
    "/nodes": "/nodes",
    "/config/cluster/status": "/config/cluster/status?list_single_node=1",
    "/nodes/{node}/status": "/nodes/localhost/status",
    "/nodes/{node}/postfix/qshape": "/nodes/mail/postfix/qshape?queue=active",
    "/statistics/mail": "/statistics/mail",
    "/nodes/{node}/rrddata": "/nodes/mail/rrddata?timeframe=day",
}


@pytest.mark.parametrize("path", PMG_CALLS)
def test_pmg_answer_follows_the_published_schema(fake_pmg: FakeServer, path: str) -> None:
    schema = returned(reference("schema/pmg-9.1.json"), path, product="pmg")

    data = get(fake_pmg, PMG_CALLS[path], ticket_header(fake_pmg)).data

    assert data
    assert _complaints(schema, data) == []


def test_pmg_ticket_follows_the_published_schema(fake_pmg: FakeServer) -> None:
    schema = returned(reference("schema/pmg-9.1.json"), "/access/ticket", product="pmg", method="POST")

    assert _complaints(schema, _login(fake_pmg)) == []


def test_roles_and_parameters_of_the_fake_pmg_are_the_published_ones() -> None:
    paths = reference("schema/pmg-9.1.json")["paths"]

    wrong = []
    for entry in TABLES["pmg"].entries:
        path = "/" + "/".join(entry.segments)
        published = paths[path][entry.method]
        names = {part[1:-1] for part in entry.segments if part.startswith("{")}
        roles = tuple((published["permissions"] or {}).get("check", ()))
        if entry.roles != roles or not entry.parameters <= set(published["parameters"]) - names:
            wrong.append((path, entry.roles, roles))

    assert wrong == []


def test_pbs_ticket_follows_the_published_schema(fake_pbs: FakeServer) -> None:
    schema = returned(reference("schema/pbs-4.json"), "/access/ticket", product="pbs", method="POST")

    assert _complaints(schema, _login(fake_pbs)) == []


#: Left out of the copy of the schemas; path, privilege and keys are those of PVE/API2/ClusterConfig.pm.
NOT_IN_THE_COPY = {"/cluster/config/qdevice"}


@pytest.mark.parametrize(
    ("name", "product", "version"),
    [
        ("pve-7.4", "pve", (7, 4)),
        ("pve-8.4", "pve", (8, 4)),
        ("pve-9.2", "pve", (9, 2)),
        ("pbs-4", "pbs", (4, 2)),
    ],
)
def test_every_call_of_the_fake_is_published_with_its_parameters(
    name: str, product: str, version: tuple[int, int]
) -> None:
    paths = reference(f"schema/{name}.json")["paths"]

    wrong = []
    for entry in TABLES[product].entries:
        path = "/" + "/".join(entry.segments)
        if path in NOT_IN_THE_COPY:
            continue
        published = paths.get(path, {}).get(entry.method)
        names = {part[1:-1] for part in entry.segments if part.startswith("{")}
        if version < entry.since:
            if published is not None:
                wrong.append((entry.method, path))
        elif published is None or not entry.parameters_in(version) <= set(published["parameters"]) - names:
            wrong.append((entry.method, path))

    assert wrong == []


#: Either of two paths is enough there, which the handlers check themselves.
EITHER = {"/nodes/{node}/disks/list", "/access/users/{userid}"}


@pytest.mark.parametrize(
    ("name", "product", "version"),
    [
        ("pve-7.4", "pve", (7, 4)),
        ("pve-8.4", "pve", (8, 4)),
        ("pve-9.2", "pve", (9, 2)),
        ("pbs-4", "pbs", (4, 2)),
    ],
)
def test_privileges_of_the_fake_are_the_published_ones(
    name: str, product: str, version: tuple[int, int]
) -> None:
    paths = reference(f"schema/{name}.json")["paths"]

    wrong = []
    for entry in TABLES[product].entries:
        path = "/" + "/".join(entry.segments)
        if version < entry.since or path in EITHER | NOT_IN_THE_COPY:
            continue
        published = paths[path][entry.method]["permissions"] or {}
        check = published.get("check")
        if isinstance(check, dict):
            check = ["perm", "/" + "/".join(check["path"]), check["privs"]]
        expected = (check[1], *check[2]) if check else None
        if entry.privilege_in(version) != expected or entry.is_public != (published.get("user") == "world"):
            wrong.append((path, entry.privilege_in(version), expected))

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
