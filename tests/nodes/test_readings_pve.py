from __future__ import annotations

from typing import Any

import pytest

from nodes.proxmox import calls, pve
from nodes.proxmox.errors import BadAnswer
from nodes.proxmox.readings.live import MemberReading, NodeCertificateReading, PoolReading


def guest(vmid: Any = 101, **fields: Any) -> dict[str, Any]:
    return {"type": "qemu", "vmid": vmid, "node": "pve1", "status": "running", **fields}


def node(name: Any = "pve1", **fields: Any) -> dict[str, Any]:
    return {"type": "node", "node": name, "status": "online", **fields}


def storage(name: Any = "local", **fields: Any) -> dict[str, Any]:
    return {"type": "storage", "storage": name, "node": "pve1", "status": "available", **fields}


@pytest.mark.parametrize("data", [None, {}, "text", 5, {"nodes": []}, True])
def test_resources_that_are_no_list_are_a_bad_answer(data: object) -> None:
    with pytest.raises(BadAnswer, match="is not a list"):
        pve.read_cluster_resources(data)


def test_an_empty_list_of_resources_is_a_reading() -> None:
    reading = pve.read_cluster_resources([])

    assert (reading.nodes, reading.guests, reading.storages, reading.skipped) == ((), (), (), 0)


def test_a_row_that_cannot_be_read_is_counted_and_does_not_hide_the_others() -> None:
    rows = [
        None,
        5,
        [],
        {},
        {"type": None},
        guest(vmid="abc"),
        guest(node=""),
        node(""),
        storage(None),
        guest(102),
    ]

    reading = pve.read_cluster_resources(rows)

    assert [one.vmid for one in reading.guests] == [102]
    assert reading.skipped == 9


def test_a_list_without_one_readable_row_is_a_bad_answer() -> None:
    with pytest.raises(BadAnswer, match="No entry"):
        pve.read_cluster_resources([1, 2, "three"])


def test_pools_are_read_once_by_their_name() -> None:
    rows = [
        {
            "type": "pool",
            "id": "/pool/web",
            "pool": "web",
            "cpu": 0.5,
            "maxcpu": 4,
            "mem": 2,
            "maxmem": 3,
            "disk": 0,
            "maxdisk": 5,
            "uptime": 6,
        },
        {"type": "pool", "id": "/pool/web/inner"},
        {"type": "pool", "pool": "web"},
        {"type": "pool"},
    ]

    reading = pve.read_cluster_resources(rows)

    assert reading.pools == (PoolReading("web", 0.5, 4, 2, 3, 0, 5, 6), PoolReading("web/inner"))
    assert reading.skipped == 1


def test_what_the_host_spends_on_a_guest_is_unknown_where_it_is_zero() -> None:
    reading = pve.read_cluster_resources([guest(100, memhost=5), guest(101, memhost=0), guest(102)])

    assert [one.host_memory_bytes for one in reading.guests] == [5, None, None]


def test_a_node_tells_its_state_in_high_availability_and_its_subscription() -> None:
    row = node(hastate="maintenance", level="c")

    (reading,) = pve.read_cluster_resources([row]).nodes

    assert (reading.ha_state, reading.level) == ("maintenance", "c")


def test_types_to_come_are_passed_over() -> None:
    rows = [
        {"type": "sdn", "sdn": "z"},
        {"type": "network"},
        {"type": "teapot"},
    ]

    reading = pve.read_cluster_resources(rows)

    assert reading.skipped == 0


@pytest.mark.parametrize("vmid", [0, 1, 99, -1, 1_000_000_000, 2**63, True, None, "", "12x", 1e12, [100]])
def test_a_guest_with_an_impossible_vmid_is_not_read(vmid: Any) -> None:
    assert pve.read_cluster_resources([node(), guest(vmid)]).guests == ()


@pytest.mark.parametrize("vmid", [100, 999_999_999, "100", 100.0])
def test_a_guest_with_a_possible_vmid_is_read(vmid: Any) -> None:
    assert len(pve.read_cluster_resources([guest(vmid)]).guests) == 1


def test_missing_figures_are_unknown_and_not_zero() -> None:
    (reading,) = pve.read_cluster_resources([node(status="offline")]).nodes

    assert reading.cpu_ratio is None
    assert reading.memory_used_bytes is None
    assert reading.uptime_seconds is None


def test_figures_that_lie_are_unknown() -> None:
    (reading,) = pve.read_cluster_resources(
        [guest(cpu=-0.5, mem=-1, maxmem=10**30, netin="NaN", uptime=float("inf"), maxcpu=10**9)]
    ).guests

    assert reading.cpu_ratio is None
    assert reading.memory_used_bytes is None
    assert reading.memory_total_bytes is None
    assert reading.network_in_bytes is None
    assert reading.uptime_seconds is None
    assert reading.cpu_count is None


def test_a_cpu_limit_of_one_and_a_half_is_one_cpu() -> None:
    (reading,) = pve.read_cluster_resources([guest(maxcpu=1.5)]).guests

    assert reading.cpu_count == 1


def test_a_guest_without_status_is_unknown() -> None:
    (reading,) = pve.read_cluster_resources([guest(status=None)]).guests

    assert reading.status == "unknown"


@pytest.mark.parametrize(
    ("flag", "expected"),
    [(1, True), ("1", True), (True, True), (0, False), ("", False), (None, False), (7, False)],
)
def test_templates_are_marked(flag: object, expected: bool) -> None:
    (reading,) = pve.read_cluster_resources([guest(template=flag)]).guests

    assert reading.is_template is expected


@pytest.mark.parametrize(
    ("tags", "expected"),
    [
        ("prod;web", ("prod", "web")),
        ("prod,web; db  x", ("prod", "web", "db", "x")),
        (";;", ()),
        ("", ()),
        (None, ()),
        (42, ("42",)),
        ("b;a;b", ("b", "a")),
        (["prod"], ()),
        ("a" * 300, ("a" * 128,)),
    ],
)
def test_tags_are_split_as_proxmox_splits_them(tags: object, expected: tuple[str, ...]) -> None:
    (reading,) = pve.read_cluster_resources([guest(tags=tags)]).guests

    assert reading.tags == expected


def test_tags_fit_together_into_their_column() -> None:
    (reading,) = pve.read_cluster_resources([guest(tags=";".join(f"tag-{n:05}" for n in range(500)))]).guests

    assert len(reading.tags) == 51
    assert len(";".join(reading.tags)) <= 512


def test_kinds_of_content_are_sorted_and_told_once() -> None:
    (reading,) = pve.read_cluster_resources([storage(content="iso, backup,iso,,images")]).storages

    assert reading.content == ("backup", "images", "iso")


@pytest.mark.parametrize(("flag", "expected"), [(1, True), ("1", True), (0, False), (None, False)])
def test_shared_storages_are_marked(flag: object, expected: bool) -> None:
    (reading,) = pve.read_cluster_resources([storage(shared=flag)]).storages

    assert reading.is_shared is expected


def test_a_storage_is_kept_once_per_node() -> None:
    rows = [storage(), storage(), storage(node="pve2")]

    assert [one.node for one in pve.read_cluster_resources(rows).storages] == ["pve1", "pve2"]


@pytest.mark.parametrize("is_first", [True, False])
def test_of_a_guest_on_two_nodes_the_running_one_is_kept(is_first: bool) -> None:
    running, stopped = guest(node="pve1"), guest(node="pve2", status="stopped")

    reading = pve.read_cluster_resources([running, stopped] if is_first else [stopped, running])

    assert [one.node for one in reading.guests] == ["pve1"]


@pytest.mark.parametrize("is_first", [True, False])
def test_of_a_guest_running_on_two_nodes_the_one_on_the_live_node_is_kept(is_first: bool) -> None:
    live, dead = guest(node="pve1"), guest(node="pve2")
    nodes = [node("pve1"), node("pve2", status="offline")]

    reading = pve.read_cluster_resources([*([live, dead] if is_first else [dead, live]), *nodes])

    assert [one.node for one in reading.guests] == ["pve1"]


def test_two_equal_claims_are_decided_alike_in_every_poll() -> None:
    one, other = guest(node="pve1"), guest(node="pve2")

    first = pve.read_cluster_resources([one, other]).guests
    second = pve.read_cluster_resources([other, one]).guests

    assert [reading.node for reading in first] == [reading.node for reading in second] == ["pve2"]


def test_names_are_clean_and_bounded() -> None:
    rows = [node("pve\x001"), guest(name="web\n\u202e" + "x" * 1000), storage("s" * 500, plugintype="p" * 99)]

    reading = pve.read_cluster_resources(rows)

    assert reading.nodes[0].name == "pve1"
    assert reading.guests[0].name == "web " + "x" * 252
    assert len(reading.storages[0].name) == 128
    assert len(reading.storages[0].plugin) == 32


def test_a_guest_whose_name_is_a_number_keeps_it() -> None:
    (reading,) = pve.read_cluster_resources([guest(name=2024)]).guests

    assert reading.name == "2024"


def test_a_host_outside_any_cluster_has_no_quorum() -> None:
    reading = pve.read_cluster_status(
        [{"type": "node", "name": "pve", "ip": "192.0.2.1", "online": 1, "local": 1}]
    )

    assert (reading.name, reading.is_quorate, reading.is_cluster) == ("", None, False)
    assert reading.members == (MemberReading("pve", "192.0.2.1", is_online=True, is_local=True),)


def test_members_are_sorted_because_the_answer_is_not() -> None:
    rows = [{"type": "node", "name": name} for name in ("pve3", "pve1", "pve2")]

    assert [member.name for member in pve.read_cluster_status(rows).members] == ["pve1", "pve2", "pve3"]


def test_a_cluster_in_the_minority_is_not_quorate() -> None:
    rows = [{"type": "cluster", "name": "lab", "quorate": 0}, {"type": "node", "name": "pve1"}]

    assert pve.read_cluster_status(rows).is_quorate is False


@pytest.mark.parametrize(
    "data", [None, [], {}, [{"type": "cluster", "name": "lab"}], [{"type": "node"}], [3]]
)
def test_a_cluster_status_without_a_node_is_a_bad_answer(data: object) -> None:
    with pytest.raises(BadAnswer):
        pve.read_cluster_status(data)


@pytest.mark.parametrize("data", [None, [], {}, "online"])
def test_a_node_status_that_is_no_object_is_a_bad_answer(data: object) -> None:
    with pytest.raises(BadAnswer, match="is not an object"):
        pve.read_node_status(data)


def test_a_kernel_told_in_parts_only_is_put_together() -> None:
    kernel = {"sysname": "Linux", "release": "6.14.8-2-pve", "version": "#1 SMP", "machine": "x86_64"}

    assert pve.read_node_status({"current-kernel": kernel}).kernel_version == "Linux 6.14.8-2-pve #1 SMP"


def test_a_node_status_tells_waiting_shared_memory_and_how_it_was_started() -> None:
    reading = pve.read_node_status(
        {"wait": 0.02, "ksm": {"shared": 4096}, "boot-info": {"mode": "efi", "secureboot": 1}}
    )

    assert (reading.io_wait_ratio, reading.ksm_shared_bytes, reading.boot_mode, reading.is_secure_boot) == (
        0.02,
        4096,
        "efi",
        True,
    )


def test_a_member_tells_its_number_and_its_subscription() -> None:
    rows = [
        {"type": "cluster", "name": "lab", "quorate": 1, "nodes": 3, "version": 7},
        {"type": "node", "name": "pve1", "nodeid": 2, "level": "b"},
    ]

    reading = pve.read_cluster_status(rows)

    assert (reading.node_count, reading.config_version) == (3, 7)
    assert reading.members == (MemberReading("pve1", number=2, level="b"),)


def test_the_available_memory_of_pve_9_is_read() -> None:
    reading = pve.read_node_status({"memory": {"total": 8, "used": 3, "free": 1, "available": 5}})

    assert reading.memory_available_bytes == 5


def test_a_node_status_with_parts_of_the_wrong_kind_is_read_without_them() -> None:
    reading = pve.read_node_status({"memory": [], "cpuinfo": "x", "loadavg": {"a": 1}, "uptime": "12"})

    assert reading.memory_total_bytes is None
    assert reading.load_average == ()
    assert reading.uptime_seconds == 12


def test_a_fingerprint_that_is_none_reads_as_none() -> None:
    rows = [
        {"node": "pve1", "ssl_fingerprint": "not one"},
        {"node": "pve2", "ssl_fingerprint": "AA:" * 31 + "0F"},
    ]

    assert pve.read_node_certificates(rows) == (
        NodeCertificateReading("pve1", ""),
        NodeCertificateReading("pve2", "aa" * 31 + "0f"),
    )


@pytest.mark.parametrize("data", [None, {}, [1], [{"node": ""}]])
def test_nodes_that_cannot_be_read_are_a_bad_answer(data: object) -> None:
    with pytest.raises(BadAnswer):
        pve.read_node_certificates(data)


@pytest.mark.parametrize("data", [None, [], {}, {"version": None}, {"release": "9"}])
def test_a_version_that_names_none_is_a_bad_answer(data: object) -> None:
    with pytest.raises(BadAnswer):
        pve.read_version(data)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("pve1", "pve1"),
        ("a/b", "a%2Fb"),
        ("../../access", "..%2F..%2Faccess"),
        ("%2e%2e", "%252e%252e"),
        ("a b?c#d", "a%20b%3Fc%23d"),
        ("münchen", "m%C3%BCnchen"),
        ("local:iso", "local%3Aiso"),
        ("a\r\nb", "a%0D%0Ab"),
    ],
)
def test_a_name_is_exactly_one_segment_of_a_path(name: str, expected: str) -> None:
    assert calls.segment(name) == expected


@pytest.mark.parametrize("name", ["", ".", "..", "\ud800", "x" * 257])
def test_a_name_that_leads_elsewhere_is_refused(name: str) -> None:
    with pytest.raises(BadAnswer, match="cannot be part of an address"):
        calls.segment(name)
