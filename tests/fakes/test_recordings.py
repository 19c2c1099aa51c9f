"""Answers of the fake beside recorded answers of real servers: the same keys with the same types."""

from __future__ import annotations

from typing import Any

import pytest

from tests.fake_proxmox import FakeServer, PbsSpec, PveSite, PveSpec
from tests.fake_proxmox.fixtures import virtual_estate
from tests.fakes.raw import get, post, rows, token_header
from tests.fakes.reference import reference

REAL = "recorded/proxmox-go-sdk-pve9"
#: Keys that a row has or has not, whatever its kind: Proxmox leaves them out where there is nothing to say.
SOMETIMES = {"hastate", "lock", "memhost", "tags", "pool"}


def _type(value: object) -> str:
    """A number is a number: Perl and JSON do not tell 0 from 0.0."""
    return (
        "number" if isinstance(value, int | float) and not isinstance(value, bool) else type(value).__name__
    )


def _shape(row: dict[str, Any]) -> dict[str, str]:
    return {key: _type(value) for key, value in row.items() if key not in SOMETIMES}


def _recorded_rows(kind: str, status: str) -> list[dict[str, Any]]:
    return [
        row
        for exchange in reference(f"{REAL}/cluster-resources.json")
        for row in exchange["json"]["data"]
        if row["type"] == kind and row["status"] == status
    ]


def _own_rows(site: PveSite, kind: str, status: str) -> list[dict[str, Any]]:
    return [row for row in rows(site.first, kind) if row["status"] == status]


@pytest.mark.parametrize(
    ("kind", "status"),
    [
        ("node", "online"),
        ("storage", "available"),
        ("network", "ok"),
        ("qemu", "running"),
        ("qemu", "stopped"),
        ("qemu", "unknown"),
    ],
)
def test_resource_row_has_the_keys_and_types_of_a_recorded_one(kind: str, status: str) -> None:
    recorded = {tuple(sorted(_shape(row).items())) for row in _recorded_rows(kind, status)}

    with virtual_estate(PveSpec(nodes=3, guests=80, dead_nodes=1)) as estate:
        own = {tuple(sorted(_shape(row).items())) for row in _own_rows(estate.sites[0], kind, status)}

    assert len(recorded) == 1
    assert own == recorded


def test_version_has_the_keys_of_a_recorded_one(fake_pve: FakeServer) -> None:
    recorded = reference(f"{REAL}/version.json")[0]["json"]["data"]

    assert _shape(get(fake_pve, "/version").data) == _shape(recorded)


def test_ticket_has_the_keys_of_a_recorded_one(fake_cluster: PveSite) -> None:
    recorded = reference(f"{REAL}/access-ticket.json")[0]["json"]["data"]

    form = {"username": fake_cluster.user, "password": fake_cluster.password}
    own = post(fake_cluster.first, "/access/ticket", form).data

    assert _shape(own) == _shape(recorded)
    assert own["cap"].keys() == recorded["cap"].keys()


def test_node_list_has_the_keys_of_a_recorded_one(fake_pve: FakeServer) -> None:
    recorded = reference("recorded/fog-proxmox-pve6/nodes.json")[0]["json"]["data"][0]

    own = get(fake_pve, "/nodes").data[0]

    assert _shape(own) == _shape(recorded)
    assert len(own["ssl_fingerprint"]) == len(recorded["ssl_fingerprint"])


def test_cluster_status_has_the_keys_of_a_recorded_one(fake_cluster: PveSite) -> None:
    recorded = reference("recorded/community-proxmox-inventory/cluster-status.json")["data"]

    own = get(fake_cluster.first, "/cluster/status").data

    for kind in ("node", "cluster"):
        shapes = [_shape(next(e for e in entries if e["type"] == kind)) for entries in (own, recorded)]
        assert shapes[0] == shapes[1]


def test_refused_token_looks_like_the_recorded_one(fake_pve: FakeServer) -> None:
    recorded = reference("recorded/fog-proxmox-pve6/access-users-root@pam-token.json")
    refusal = next(exchange for exchange in recorded if exchange["status"] == 401)

    own = get(fake_pve, "/version", token_header(fake_pve, token_value="wrong"))

    assert (own.reason, own.text) == (refusal["reason"], refusal["text"])
    assert "content-type" not in own.headers


def test_failed_login_looks_like_the_recorded_one() -> None:
    recorded = reference("recorded/fog-proxmox-pve6/access-ticket.json")
    refusal = next(exchange for exchange in recorded if exchange["status"] == 401)

    with virtual_estate(PveSpec(version="7.4")) as estate:
        form = {"username": estate.servers[0].user, "password": "wrong"}
        own = post(estate.servers[0], "/access/ticket", form)

    assert own.reason == refusal["reason"]
    assert own.text == '{"data":null}'
    assert refusal["json"] == {"data": None}
    assert own.headers["content-type"] == refusal["content_type"]


def test_pbs_status_has_every_key_of_a_recorded_one(fake_pbs: FakeServer) -> None:
    recorded = reference("recorded/pbs-exporter-node-inline/nodeStatus.json")["data"]

    own = get(fake_pbs, "/nodes/localhost/status").data

    assert _shape(recorded).items() <= _shape(own).items()
    for key in ("memory", "swap", "root"):
        assert _shape(recorded[key]) == _shape(own[key])


@pytest.mark.parametrize("version", ["4.2"])
def test_pbs_usage_and_version_have_every_key_of_a_recorded_one(version: str) -> None:
    usage = reference("recorded/pbs-exporter-node-inline/datastoreUsage.json")["data"][0]
    release = reference("recorded/pbs-exporter-node-inline/version.json")["data"]

    with virtual_estate(PbsSpec(version=version)) as estate:
        own_usage = get(estate.servers[0], "/status/datastore-usage").data[0]
        own_release = get(estate.servers[0], "/version").data

    assert _shape(usage).items() <= _shape(own_usage).items()
    assert _shape(own_release) == _shape(release)
