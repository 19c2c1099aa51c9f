"""What servers really answered, read into literals."""

from __future__ import annotations

import pytest

from nodes.proxmox import pbs, pve
from nodes.proxmox.readings.live import (
    DatastoreReading,
    GuestReading,
    MemberReading,
    NodeCertificateReading,
    NodeReading,
    NodeStatusReading,
    PbsStatusReading,
    StorageReading,
    VersionReading,
)
from tests.nodes.recorded import recorded, recorded_exchanges


def test_a_node_of_pve_9_is_read() -> None:
    reading = pve.read_cluster_resources(recorded("proxmox-go-sdk-pve9/cluster-resources.json"))

    assert reading.nodes[0] == NodeReading(
        name="pve2-dogfood",
        status="online",
        cpu_ratio=0.177993527508091,
        cpu_count=4,
        memory_used_bytes=1878560768,
        memory_total_bytes=8327639040,
        disk_used_bytes=4135010304,
        disk_total_bytes=14484905984,
        uptime_seconds=3378,
        ha_state="online",
    )
    assert [node.name for node in reading.nodes] == ["pve2-dogfood", "pve3-dogfood", "pve"]


def test_a_storage_of_pve_9_is_read() -> None:
    reading = pve.read_cluster_resources(recorded("proxmox-go-sdk-pve9/cluster-resources.json"))

    assert reading.storages[0] == StorageReading(
        name="local-lvm",
        node="pve2-dogfood",
        status="available",
        plugin="lvmthin",
        content=("images", "rootdir"),
        is_shared=False,
        used_bytes=0,
        total_bytes=12675186688,
    )
    assert len(reading.storages) == 6


def test_networks_of_pve_9_are_passed_over_without_being_counted_as_unreadable() -> None:
    data = recorded("proxmox-go-sdk-pve9/cluster-resources.json")

    reading = pve.read_cluster_resources(data)

    assert len(data) - len(reading.nodes) - len(reading.storages) == 3
    assert reading.skipped == 0


def test_a_guest_of_which_nothing_is_known_yet_has_no_figures() -> None:
    reading = pve.read_cluster_resources(recorded("proxmox-go-sdk-pve9/cluster-resources.json", index=1))

    assert reading.guests[0] == GuestReading(
        vmid=9301, kind="qemu", node="pve", status="unknown", ha_state="started"
    )


def test_a_guest_in_migration_is_read_with_its_lock() -> None:
    reading = pve.read_cluster_resources(recorded("proxmox-go-sdk-pve9/cluster-resources.json", index=9))

    assert reading.guests[0] == GuestReading(
        vmid=9301,
        kind="qemu",
        node="pve3-dogfood",
        status="running",
        name="sdk-itest-placement-1",
        cpu_ratio=0.0,
        cpu_count=1,
        memory_used_bytes=36030464,
        memory_total_bytes=268435456,
        disk_used_bytes=0,
        disk_total_bytes=0,
        network_in_bytes=0,
        network_out_bytes=0,
        disk_read_bytes=0,
        disk_write_bytes=0,
        uptime_seconds=5,
        lock="migrate",
        ha_state="migrate",
        host_memory_bytes=36030464,
    )


@pytest.mark.parametrize(
    "name",
    ["proxmox-go-sdk-pve9/cluster-resources.json", "fog-proxmox-pve6/cluster-resources.json"],
)
def test_no_row_that_a_real_server_sent_is_unreadable(name: str) -> None:
    readings = [pve.read_cluster_resources(data) for data in recorded_exchanges(name)]

    assert readings
    assert sum(reading.skipped for reading in readings) == 0


def test_vmids_in_quotes_and_an_empty_template_flag_of_pve_6_are_read() -> None:
    reading = pve.read_cluster_resources(
        recorded("community-proxmox-inventory/cluster-resources-type-vm.json")
    )

    assert [(guest.vmid, guest.kind, guest.is_template) for guest in reading.guests] == [
        (100, "lxc", False),
        (101, "qemu", False),
        (102, "qemu", False),
        (103, "qemu", False),
        (9001, "qemu", True),
    ]


def test_a_node_of_pve_6_is_read() -> None:
    reading = pve.read_cluster_resources(recorded("fog-proxmox-pve6/cluster-resources.json"))

    assert reading.nodes == (
        NodeReading(
            name="pve",
            status="online",
            cpu_ratio=0.00538129953557645,
            cpu_count=2,
            memory_used_bytes=816152576,
            memory_total_bytes=2083995648,
            disk_used_bytes=1983594496,
            disk_total_bytes=2839314432,
            uptime_seconds=818,
        ),
    )


def test_a_list_of_storages_alone_is_read_with_its_shared_ones() -> None:
    reading = pve.read_cluster_resources(recorded("pvectl-fixtures/cluster_resources_storage.json"))

    assert {storage.name for storage in reading.storages if storage.is_shared} == {"ceph-pool", "nfs-backup"}
    assert reading.storages[0].content == ("backup", "images", "iso", "rootdir", "vztmpl")


def test_tags_are_read_in_their_order() -> None:
    reading = pve.read_cluster_resources(recorded("pvectl-fixtures/cluster_resources_vms.json"))

    assert reading.guests[0].tags == ("prod", "web")
    assert reading.guests[0].network_out_bytes == 987654321


def test_guests_with_few_fields_are_read() -> None:
    reading = pve.read_cluster_resources(recorded("pve-exporter-testdata/cluster_resources.json"))

    assert [(guest.vmid, guest.name, guest.cpu_ratio) for guest in reading.guests] == [
        (100, "web-server", None),
        (101, "db-server", None),
        (200, "proxy-ct", None),
    ]


def test_the_members_of_a_cluster_are_read_with_the_one_that_is_offline() -> None:
    reading = pve.read_cluster_status(recorded("community-proxmox-inventory/cluster-status.json"))

    assert reading.name == "testcluster"
    assert reading.is_quorate is True
    assert reading.is_cluster is True
    assert (reading.node_count, reading.config_version) == (2, 24)
    assert reading.members == (
        MemberReading(name="testnode", address="10.0.10.1", is_online=True, is_local=True, number=1),
        MemberReading(name="testnode2", address="10.0.10.2", is_online=False, is_local=False, number=2),
    )


def test_a_cluster_of_three_is_read() -> None:
    reading = pve.read_cluster_status(recorded("psproxmoxve-fixtures/pve9_cluster_status.json"))

    assert [(member.name, member.is_online) for member in reading.members] == [
        ("pve1", True),
        ("pve2", True),
        ("pve3", False),
    ]


def test_a_cluster_of_one_keeps_its_name_and_is_no_cluster() -> None:
    reading = pve.read_cluster_status(recorded("pve-exporter-testdata/cluster_status.json"))

    assert (reading.name, reading.is_cluster) == ("pve-cluster", False)


def test_the_status_of_a_node_of_pve_9_is_read() -> None:
    reading = pve.read_node_status(recorded("psproxmoxve-fixtures/pve9_node_status.json"))

    assert reading == NodeStatusReading(
        load_average=(0.45, 0.32, 0.28),
        kernel_version="6.8.12-5-pve",
        pve_version="pve-manager/9.1-1/abcdef12",
        swap_used_bytes=1073741824,
        swap_total_bytes=8589934592,
        root_used_bytes=21474836480,
        root_total_bytes=107374182400,
        root_available_bytes=85899345920,
        uptime_seconds=864000,
    )


def test_the_status_of_a_node_of_pve_8_is_read_with_its_processor() -> None:
    reading = pve.read_node_status(recorded("pvectl-fixtures/node_status_extended.json"))

    assert reading == NodeStatusReading(
        load_average=(0.45, 0.52, 0.48),
        kernel_version="Linux 6.8.12-1-pve #1 SMP PREEMPT_DYNAMIC PMX 6.8.12-1 (2024-01-15T10:00:00Z) x86_64",
        pve_version="pve-manager/8.3.2/cfbf0f1ad96f4e7a",
        cpu_model="AMD EPYC 7302 16-Core Processor",
        cpu_sockets=2,
        cpu_cores=16,
        cpu_count=32,
        cpu_mhz="2994.374",
        memory_used_bytes=48535150182,
        memory_total_bytes=137438953472,
        swap_used_bytes=0,
        swap_total_bytes=8589934592,
        root_used_bytes=1288490188800,
        root_total_bytes=4398046511104,
        root_available_bytes=3109556322304,
        uptime_seconds=3898800,
        io_wait_ratio=0.01,
        ksm_shared_bytes=0,
        boot_mode="efi",
        is_secure_boot=False,
    )


@pytest.mark.parametrize(
    "name", ["pve-exporter-testdata/node_status.json", "pvectl-fixtures/node_status.json"]
)
def test_a_status_with_parts_missing_is_read(name: str) -> None:
    reading = pve.read_node_status(recorded(name))

    assert len(reading.load_average) == 3
    assert reading.memory_total_bytes is None


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("proxmox-go-sdk-pve9/version.json", VersionReading("9.2.2", "9.2")),
        ("fog-proxmox-pve6/version.json", VersionReading("6.2-4", "6.2")),
        ("psproxmoxve-fixtures/pve8_version.json", VersionReading("8.3-2", "8.3")),
        ("psproxmoxve-fixtures/pve9_version.json", VersionReading("9.1-1", "9.1")),
        ("pvectl-fixtures/version.json", VersionReading("8.1-3", "8.1")),
        ("pbs-exporter-rs/version.json", VersionReading("4.1.1", "1")),
        (
            "pbs-exporter-node-inline/version.json",
            VersionReading("4.2", "1"),
        ),
    ],
)
def test_versions_are_read(name: str, expected: VersionReading) -> None:
    assert pve.read_version(recorded(name)) == expected


def test_the_nodes_of_pve_6_are_read_with_the_certificate_they_serve() -> None:
    (reading,) = pve.read_node_certificates(recorded("fog-proxmox-pve6/nodes.json"))

    assert reading == NodeCertificateReading(
        name="pve", fingerprint="d29356384ae783679d504680a5dd7e697ee33ed1cf4530abcb90fa764f9d524b"
    )


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("psproxmoxve-fixtures/pve9_nodes.json", ["pve1", "pve2"]),
        ("psproxmoxve-fixtures/pve8_nodes.json", ["pve-old"]),
        ("pve-exporter-testdata/nodes.json", ["pve1"]),
        ("pvectl-fixtures/nodes_list.json", ["pve-node1", "pve-node2", "pve-node3", "pve-node4"]),
    ],
)
def test_nodes_without_a_certificate_are_read(name: str, expected: list[str]) -> None:
    readings = pve.read_node_certificates(recorded(name))

    assert readings == tuple(NodeCertificateReading(name=node) for node in expected)


def test_the_status_of_a_backup_server_is_read() -> None:
    reading = pbs.read_node_status(recorded("pbs-exporter-node-inline/nodeStatus.json"))

    assert reading == PbsStatusReading(
        cpu_ratio=0.004284949116229231,
        memory_used_bytes=598495232,
        memory_total_bytes=8195104768,
        load_average=(0.02, 0.03, 0.04),
        uptime_seconds=803,
        swap_used_bytes=0,
        swap_total_bytes=8191471616,
        root_used_bytes=4948684800,
        root_total_bytes=224872357888,
        root_available_bytes=208426250240,
        io_wait_ratio=0.5,
    )


def test_all_recorded_statuses_of_backup_servers_are_read() -> None:
    readings = [
        pbs.read_node_status(data)
        for data in recorded_exchanges("pbs-exporter-rs/nodes-localhost-status.json")
    ]

    assert readings[0].memory_used_bytes == 8589934592
    assert all(reading.cpu_ratio is not None for reading in readings)


def test_the_use_of_a_datastore_is_read() -> None:
    readings = pbs.read_datastore_usage(recorded("pbs-exporter-node-inline/datastoreUsage.json"))

    assert readings == (
        DatastoreReading(
            name="slow-xfs",
            total_bytes=7999425155072,
            used_bytes=409493594112,
            available_bytes=7589931560960,
            backend="filesystem",
        ),
    )


def test_all_recorded_uses_of_datastores_are_read_the_empty_list_among_them() -> None:
    exchanges = recorded_exchanges("pbs-exporter-rs/status-datastore-usage.json")

    readings = [pbs.read_datastore_usage(data) for data in exchanges]

    assert [[store.name for store in stores] for stores in readings] == [
        ["datastore1", "datastore2"],
        ["backup"],
        [],
        ["empty-store"],
        ["backup-2024"],
        ["store1", "store2"],
        ["large"],
    ]
