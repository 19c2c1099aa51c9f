"""What servers really answered to the calls outside the live lane, read into literals."""

from __future__ import annotations

import pytest

from nodes.proxmox import access, backup_server, backups, cluster, guests, hardware, tasks
from nodes.proxmox.readings.backup_server import BackupGroupReading, BackupSnapshotReading, NamespaceReading
from nodes.proxmox.readings.backups import (
    BackupJobReading,
    BackupVolumeReading,
    NodeStorageReading,
    StorageConfigReading,
    TaskReading,
    TimeReading,
    VzdumpGuestReading,
)
from nodes.proxmox.readings.cluster import (
    CephReading,
    HaNodeReading,
    HaReading,
    HaServiceReading,
    ReplicationReading,
)
from nodes.proxmox.readings.guests import (
    AddressReading,
    GuestConfigReading,
    GuestDetailReading,
    GuestDiskReading,
    GuestSnapshotReading,
    PressureReading,
)
from nodes.proxmox.readings.hardware import (
    CertificateReading,
    DiskReading,
    NodeHistoryReading,
    SmartReading,
    SubscriptionReading,
    ZfsPoolReading,
)
from tests.nodes.readers import OTHER_CALLS, READERS, RECORDINGS, reader_of, recorded_answers
from tests.nodes.recorded import recorded, recorded_disks, recorded_exchanges, recorded_files


def test_every_recorded_answer_has_its_reader_or_is_of_a_call_that_is_not_made() -> None:
    files = recorded_files()

    assert len(files) > 100
    assert [file for file in files if not reader_of(file) and not OTHER_CALLS.fullmatch(file)] == []


@pytest.mark.parametrize("name", [name for name, _ in RECORDINGS])
def test_every_recorded_answer_is_a_reading(name: str) -> None:
    answers = recorded_answers(name)

    readings = [READERS[name].read(answer) for answer in answers]

    assert readings
    assert None not in readings


def test_permissions_of_pve_6_are_read() -> None:
    reading = access.read_permissions(recorded("fog-proxmox-pve6/access-permissions.json"))

    assert reading.held == {
        "/access": frozenset({"User.Modify", "Group.Allocate"}),
        "/access/groups": frozenset({"User.Modify", "Group.Allocate"}),
    }
    assert reading.inherited == reading.held


def test_the_configuration_of_a_container_of_pve_6_is_read_with_a_mount_point() -> None:
    reading = guests.read_guest_config(recorded("fog-proxmox-pve6/node-lxc-vmid-config.json", index=2))

    assert reading == GuestConfigReading(
        name="CT100",
        os_type="alpine",
        memory_bytes=536870912,
        disks=(
            GuestDiskReading("rootfs", "local-lvm:vm-100-disk-1", "local-lvm", 1073741824, mount_point="/"),
            GuestDiskReading(
                "mp0",
                "local-lvm:vm-100-disk-0",
                "local-lvm",
                1073741824,
                mount_point="/opt/app",
                is_backed_up=False,
            ),
        ),
    )


def test_a_disk_of_a_container_that_was_grown_by_megabytes_is_read() -> None:
    reading = guests.read_guest_config(recorded("fog-proxmox-pve6/node-lxc-vmid-config.json", index=8))

    assert reading.starts_on_boot is True
    assert reading.disks[0].size_bytes == 1082130432


def test_the_configuration_of_a_vm_of_pve_6_is_read_with_an_unused_disk() -> None:
    reading = guests.read_guest_config(recorded("fog-proxmox-pve6/node-qemu-vmid-config.json", index=11))

    assert reading == GuestConfigReading(
        os_type="l26",
        starts_on_boot=True,
        disks=(
            GuestDiskReading("unused0", "local-lvm:vm-100-disk-0", "local-lvm", is_backed_up=False),
            GuestDiskReading(
                "virtio0", "local:100/vm-100-disk-0.raw", "local", 2147483648, is_backed_up=False
            ),
        ),
    )


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        (
            "community-proxmox-inventory/nodes-testnode-qemu-101-config.json",
            GuestConfigReading(
                name="test-qemu",
                notes="A test qemu",
                tags=("one", "two", "three"),
                os_type="l26",
                agent_is_enabled=True,
                memory_bytes=1048576000,
                starts_on_boot=True,
                disks=(GuestDiskReading("scsi0", "local-lvm:vm-101-disk-0", "local-lvm", 8589934592),),
            ),
        ),
        (
            "community-proxmox-inventory/nodes-testnode-qemu-102-config.json",
            GuestConfigReading(
                name="test-qemu-windows",
                os_type="win8",
                agent_is_enabled=True,
                memory_bytes=10737418240,
                balloon_bytes=0,
                starts_on_boot=True,
                disks=(GuestDiskReading("sata0", "storage:vm-102-disk-0", "storage", 107374182400),),
            ),
        ),
        (
            "community-proxmox-inventory/nodes-testnode-lxc-100-config.json",
            GuestConfigReading(
                name="test-lxc",
                notes="A testnode",
                tags=("one", "two", "three"),
                os_type="ubuntu",
                memory_bytes=1048576000,
                starts_on_boot=False,
                disks=(
                    GuestDiskReading(
                        "rootfs", "local-lvm:vm-100-disk-0", "local-lvm", 4294967296, mount_point="/"
                    ),
                ),
            ),
        ),
        ("community-proxmox-inventory/nodes-testnode-qemu-9001-config.json", GuestConfigReading()),
        (
            "pvectl-fixtures/vm_describe_config.json",
            GuestConfigReading(
                notes="Main production web server",
                os_type="l26",
                memory_bytes=8589934592,
                balloon_bytes=2147483648,
                disks=(
                    GuestDiskReading("scsi0", "local-lvm:vm-100-disk-0", "local-lvm", 53687091200),
                    GuestDiskReading("scsi1", "ceph:vm-100-disk-1", "ceph", 107374182400),
                ),
            ),
        ),
        (
            "psproxmoxve-fixtures/pve9_vm_config.json",
            GuestConfigReading(
                notes="Test VM",
                tags=("prod", "web"),
                os_type="l26",
                memory_bytes=8589934592,
                balloon_bytes=0,
                disks=(
                    GuestDiskReading("scsi0", "local-lvm:vm-100-disk-0", "local-lvm", 107374182400),
                    GuestDiskReading("virtio0", "local-lvm:vm-100-disk-0", "local-lvm", 107374182400),
                ),
            ),
        ),
        ("telegraf-inline/lxcConfigTestData.json", GuestConfigReading(name="container1")),
    ],
)
def test_configurations_are_read(name: str, expected: GuestConfigReading) -> None:
    assert guests.read_guest_config(recorded(name)) == expected


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("fog-proxmox-pve6/node-qemu-vmid-snapshot.json", (GuestSnapshotReading("snapshot1", 1683810191),)),
        (
            "psproxmoxve-fixtures/pve9_snapshots.json",
            (
                GuestSnapshotReading("base", 1709000000, "Initial setup"),
                GuestSnapshotReading("snap1", 1710000000, "Before upgrade", "base", has_memory=True),
            ),
        ),
        (
            "pvectl-fixtures/vm_describe_snapshots.json",
            (
                GuestSnapshotReading("initial-setup", 1704635565, "Initial configuration"),
                GuestSnapshotReading(
                    "before-update", 1705240365, "Before system update", "current", has_memory=True
                ),
            ),
        ),
    ],
)
def test_snapshots_of_guests_are_read(name: str, expected: tuple[GuestSnapshotReading, ...]) -> None:
    assert guests.read_guest_snapshots(recorded(name)) == expected


def test_addresses_from_the_agent_are_read_without_interfaces_that_have_none() -> None:
    name = "community-proxmox-inventory/nodes-testnode-qemu-103-agent-network-get-interfaces.json"

    assert guests.read_agent_addresses(recorded(name)) == (
        AddressReading("lo", "127.0.0.1", 8, "ff:ff:ff:ff:ff:ff"),
        AddressReading("eth0", "172.16.0.143", 24, "ff:ff:ff:ff:ff:ff"),
        AddressReading("eth1", "10.0.0.133", 24, "ff:ff:ff:ff:ff:ff"),
        AddressReading("docker0", "172.17.0.1", 16, "ff:ff:ff:ff:ff:ff"),
        AddressReading("weave", "10.42.0.1", 16, "ff:ff:ff:ff:ff:ff"),
    )


def test_an_agent_of_windows_that_knows_no_addresses_tells_none() -> None:
    name = "community-proxmox-inventory/nodes-testnode-qemu-102-agent-network-get-interfaces.json"

    assert guests.read_agent_addresses(recorded(name)) == ()


def test_addresses_of_both_families_are_read() -> None:
    readings = guests.read_agent_addresses(recorded("pvectl-fixtures/vm_describe_agent_ips.json"))

    assert [(one.interface, one.address, one.prefix) for one in readings] == [
        ("lo", "127.0.0.1", 8),
        ("eth0", "192.168.1.100", 24),
        ("eth0", "fe80::be24:11ff:feaa:bbcc", 64),
        ("eth1", "10.0.0.50", 16),
    ]


def test_the_full_view_of_a_vm_of_pve_9_is_read() -> None:
    row = {"vmid": 100, **recorded("pve-exporter-testdata/qemu_status.json")}

    assert guests.read_node_guests([row], kind="qemu") == (
        GuestDetailReading(
            100,
            "qemu",
            balloon_actual_bytes=4294967296,
            guest_free_bytes=2147483648,
            host_memory_bytes=4400000000,
            pressure=PressureReading(0.05, 0.01, 0.01, 0.001, 0.02, 0.0),
        ),
    )


def test_a_container_of_pve_9_is_read_with_its_pressures() -> None:
    row = {"vmid": 200, **recorded("pve-exporter-testdata/lxc_status.json")}

    assert guests.read_node_guests([row], kind="lxc") == (
        GuestDetailReading(
            200,
            "lxc",
            swap_used_bytes=134217728,
            swap_total_bytes=536870912,
            pressure=PressureReading(0.01, 0.0, 0.005, 0.0, 0.01, 0.0),
        ),
    )


def test_containers_with_vmids_in_quotes_are_read() -> None:
    assert guests.read_node_guests(recorded("telegraf-inline/lxcTestData.json"), kind="lxc") == (
        GuestDetailReading(111, "lxc", swap_used_bytes=9412608, swap_total_bytes=536870912),
        GuestDetailReading(112, "lxc", swap_used_bytes=9412608, swap_total_bytes=536870912),
    )


def test_the_tasks_of_a_node_of_pve_6_are_read() -> None:
    readings = tasks.read_tasks(recorded("fog-proxmox-pve6/node-tasks.json"))

    assert len(readings) == 50
    assert readings[0] == TaskReading(
        upid="UPID:pve:00000F19:0000EAFF:5FBE5EB1:vzstop:100:root@pam:",
        node="pve",
        kind="vzstop",
        subject="100",
        user="root@pam",
        started_epoch=1606311601,
        ended_epoch=1606311602,
        status="OK",
    )
    assert {task.subject for task in readings if task.kind == "imgdel"} == {"100@local"}


def test_the_id_of_every_recorded_task_tells_what_its_row_tells() -> None:
    rows = [row for answer in recorded_exchanges("fog-proxmox-pve6/node-tasks.json") for row in answer]

    told = [(row["node"], row["type"], row["id"], row["user"], row["starttime"]) for row in rows]

    read = [tasks.read_upid(row["upid"]) for row in rows]
    assert [(one.node, one.kind, one.subject, one.user, one.started_epoch) for one in read if one] == told


def test_the_log_of_a_backup_of_pve_6_is_read() -> None:
    lines = tasks.read_task_log(recorded("fog-proxmox-pve6/node-tasks-upid-log.json", index=8))

    assert len(lines) == 14
    assert tasks.read_vzdump_log(lines) == (
        VzdumpGuestReading(100, "lxc", is_ok=True, seconds=0, size_bytes=4194304),
    )


def test_the_log_of_a_task_just_begun_is_empty() -> None:
    assert tasks.read_task_log(recorded("fog-proxmox-pve6/node-tasks-upid-log.json")) == ()


def test_storage_definitions_of_pve_9_are_read() -> None:
    readings = backups.read_storage_definitions(recorded("proxmox-go-sdk-pve9/storage.json"))

    assert readings == (
        StorageConfigReading("local", "dir", ("backup", "import", "iso", "vztmpl"), path="/var/lib/vz"),
        StorageConfigReading("local-lvm", "lvmthin", ("images", "rootdir")),
    )


def test_storages_of_a_node_of_pve_6_are_read() -> None:
    readings = backups.read_node_storages(recorded("fog-proxmox-pve6/node-storage.json"))

    assert readings[0] == NodeStorageReading(
        name="local",
        plugin="dir",
        content=("backup", "iso", "vztmpl"),
        is_active=True,
        is_enabled=True,
        is_shared=False,
        total_bytes=2839314432,
        used_bytes=1987850240,
        available_bytes=687050752,
    )


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        (
            "psproxmoxve-fixtures/pve9_storage.json",
            [("ceph-pool", True, 884763262976), ("local", False, 85899345920), ("local-lvm", False, 429496729600)],
        ),
        (
            "pvectl-fixtures/node_storage.json",
            [("ceph-pool", None, 1243393032192), ("local", None, 59055800320), ("local-lvm", None, 285595975680)],
        ),
        (
            "pve-exporter-testdata/storage.json",
            [("local", False, 429496729600), ("local-lvm", False, 549755813888)],
        ),
    ],
)  # fmt: skip
def test_storages_of_nodes_are_read(name: str, expected: list[tuple[str, bool | None, int]]) -> None:
    readings = backups.read_node_storages(recorded(name))

    assert [(one.name, one.is_shared, one.available_bytes) for one in readings] == expected


def test_backups_in_a_storage_of_pve_6_are_read_and_its_images_passed_over() -> None:
    answers = recorded_exchanges("fog-proxmox-pve6/nodes-pve-storage-content.json")

    readings = [backups.read_backup_volumes(answer) for answer in answers]

    assert [one for found in readings for one in found] == [
        BackupVolumeReading(
            volume="local:backup/vzdump-lxc-100-2020_11_25-14_39_11.tar.lzo",
            vmid=100,
            kind="lxc",
            created_epoch=1606311551,
            size_bytes=4504446,
            format="tar.lzo",
        ),
        BackupVolumeReading(
            volume="local:backup/vzdump-qemu-100-2020_11_25-14_38_36.vma.lzo",
            vmid=100,
            kind="qemu",
            created_epoch=1606311516,
            size_bytes=370,
            format="vma.lzo",
        ),
    ]


def test_backup_jobs_are_read_with_one_that_is_disabled() -> None:
    readings = backups.read_backup_jobs(recorded("psproxmoxve-fixtures/pve9_backup_jobs.json"))

    assert readings == (
        BackupJobReading(
            id="backup-1a2b3c",
            schedule="0 2 * * *",
            storage="local",
            mode="snapshot",
            vmids=(100, 101),
            comment="Nightly backup",
        ),
        BackupJobReading(
            id="backup-4d5e6f",
            is_enabled=False,
            schedule="0 4 * * 0",
            storage="nfs-backup",
            mode="stop",
            covers_all=True,
            comment="Weekly full",
        ),
    )


def test_the_time_of_a_node_is_read() -> None:
    reading = backups.read_node_time(recorded("pvectl-fixtures/node_time.json"))

    assert reading == TimeReading("Europe/Warsaw", 1705326765)


def test_namespaces_of_a_backup_server_are_read() -> None:
    readings = backup_server.read_namespaces(recorded("pbs-exporter-node-inline/namespace.json"))

    assert readings == (NamespaceReading(""), NamespaceReading("proxmox-v2"))


def test_groups_of_a_backup_server_are_read() -> None:
    readings = backup_server.read_groups(recorded("pbs-exporter-rs/admin-datastore-datastore1-groups.json"))

    assert readings == (
        BackupGroupReading("ct", "101", 1703721600, 5),
        BackupGroupReading("vm", "100", 1703635200, 7),
    )


def test_backup_snapshots_are_read_with_how_their_verification_ended() -> None:
    readings = backup_server.read_snapshots(recorded("pbs-exporter-node-inline/snapshotsRoot.json"))

    assert readings[0] == BackupSnapshotReading("ct", "503", 1779474301, comment="mail-archover.home.arpa")
    assert [(one.taken_epoch, one.verification) for one in readings] == [
        (1779474301, ""),
        (1780683922, "ok"),
        (1780597498, "ok"),
        (1780867436, "failed"),
    ]


def test_a_namespace_without_backups_is_read() -> None:
    assert backup_server.read_snapshots(recorded("pbs-exporter-node-inline/snapshotsEmpty.json")) == ()


def test_high_availability_of_pve_9_is_read_while_a_guest_migrates() -> None:
    reading = cluster.read_ha_status(recorded("proxmox-go-sdk-pve9/cluster-ha-status-current.json", index=6))

    assert reading.services == (
        HaServiceReading("vm:9301", "pve2-dogfood", "migrate", "started"),
        HaServiceReading("vm:9302", "pve3-dogfood", "started", "started"),
    )


def test_high_availability_of_pve_9_is_read_with_its_nodes() -> None:
    reading = cluster.read_ha_status(recorded("proxmox-go-sdk-pve9/cluster-ha-status-current.json", index=1))

    assert reading == HaReading(
        is_quorate=True,
        master_node="pve3-dogfood",
        master_status="pve3-dogfood (active, Thu Jul 23 12:36:06 2026)",
        master_seen_epoch=1784810166,
        nodes=(
            HaNodeReading("pve", "pve (idle, watchdog standby, Thu Jul 23 12:36:14 2026)", 1784810174),
            HaNodeReading(
                "pve2-dogfood",
                "pve2-dogfood (idle, watchdog standby, Thu Jul 23 12:36:16 2026)",
                1784810176,
            ),
            HaNodeReading(
                "pve3-dogfood",
                "pve3-dogfood (idle, watchdog standby, Thu Jul 23 12:36:12 2026)",
                1784810172,
            ),
        ),
        fencing="armed",
    )


def test_the_fencing_of_pve_9_goes_through_its_states() -> None:
    answers = recorded_exchanges("proxmox-go-sdk-pve9/cluster-ha-status-current.json")

    assert [cluster.read_ha_status(answer).fencing for answer in answers][:5] == [
        "standby",
        "armed",
        "disarming",
        "disarmed",
        "armed",
    ]


def test_ceph_squid_is_read_whose_monitors_are_only_counted() -> None:
    reading = cluster.read_ceph_status(recorded("pulse-inline/cluster_ceph_status_squid.json"))

    assert reading == CephReading(
        health="HEALTH_OK",
        osd_count=6,
        osd_up_count=6,
        osd_in_count=6,
        used_bytes=3000587436032,
        total_bytes=12002349744128,
        placement_group_count=129,
        monitor_count=3,
        quorum=("pve1", "pve2", "pve3"),
        manager_is_available=True,
    )


def test_a_replication_is_read() -> None:
    readings = cluster.read_replication(recorded("pve-exporter-testdata/replication.json"))

    assert readings == (
        ReplicationReading("100-0", vmid=100, last_sync_epoch=1710000000, duration_seconds=45.5),
    )


def test_an_nvme_disk_is_read_with_the_life_it_has_left() -> None:
    readings = hardware.read_disks(
        recorded_disks("pve-storage-disks/nvme_smart__disklist_expected.json"), with_smart=True
    )

    assert readings == (
        DiskReading(
            device="/dev/nvme0n1",
            model="NVME MODEL 1",
            serial="unknown",
            vendor="unknown",
            wwn="unknown",
            kind="nvme",
            size_bytes=512000,
            health="PASSED",
            life_left_percent=69,
        ),
    )


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("cciss", [("/dev/cciss/c0d0", "unknown", "UNKNOWN", None)]),
        ("hdd_smart", [("/dev/sda", "hdd", "PASSED", None), ("/dev/sdb", "hdd", "PASSED", None)]),
        ("sas", [("/dev/sda", "unknown", "UNKNOWN", None)]),
        ("sas_ssd", [("/dev/sda", "ssd", "OK", 100)]),
        (
            "ssd_smart",
            [
                ("/dev/sda", "ssd", "PASSED", 100),
                ("/dev/sdb", "ssd", "PASSED", 97),
                ("/dev/sdc", "ssd", "PASSED", 99),
                ("/dev/sdd", "ssd", "PASSED", 100),
                ("/dev/sde", "ssd", "PASSED", 91),
            ],
        ),
    ],
)
def test_disks_are_read(name: str, expected: list[tuple[str, str, str, int | None]]) -> None:
    readings = hardware.read_disks(
        recorded_disks(f"pve-storage-disks/{name}__disklist_expected.json"), with_smart=True
    )

    assert [(one.device, one.kind, one.health, one.life_left_percent) for one in readings] == expected


def test_disks_tell_what_they_are_used_for() -> None:
    readings = hardware.read_disks(
        recorded_disks("pve-storage-disks/usages__disklist_expected.json"), with_smart=True
    )

    used = {one.device: (one.used_for, one.osd_ids) for one in readings}
    assert used["/dev/sda"] == ("mounted", ())
    assert used["/dev/sdc"] == ("ZFS", ())
    assert used["/dev/sde"] == ("Device Mapper", ())
    assert used["/dev/sdf"] == ("mounted", (444,))
    assert used["/dev/sdg"] == ("LVM", (1,))


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("hdd_smart__sda", SmartReading("PASSED", 31, None, 1250)),
        ("hdd_smart__sdb", SmartReading("PASSED", 55, None, 9885)),
        ("nvme_smart__nvme0n1", SmartReading("PASSED", 32, 69, 687)),
        ("sas__sda", SmartReading("OK", 20, 100, 7127)),
        ("sas_ssd__sda", SmartReading("OK", 20, 100, 7127)),
        ("ssd_smart__sda", SmartReading("PASSED", 32, None, 1309)),
        ("ssd_smart__sdb", SmartReading("PASSED", 28, None, 1259)),
        ("ssd_smart__sdc", SmartReading("PASSED", None, None, None)),
        ("ssd_smart__sdd", SmartReading("PASSED", 27, None, 799)),
        ("ssd_smart__sde", SmartReading("PASSED", 27, None, 7963)),
    ],
)
def test_what_disks_tell_of_themselves_is_read(name: str, expected: SmartReading) -> None:
    assert hardware.read_smart(recorded(f"pve-storage-disks/{name}_smart_expected.json")) == expected


def test_a_zfs_pool_is_read() -> None:
    readings = hardware.read_zfs_pools(recorded("pve-exporter-testdata/zfs.json"))

    assert readings == (ZfsPoolReading("rpool", "ONLINE", 1099511627776, 549755813888, 549755813888, 15),)


def test_a_certificate_is_read() -> None:
    readings = hardware.read_certificates(recorded("pve-exporter-testdata/certificates.json"))

    assert readings == (CertificateReading("pveproxy-ssl.pem", expires_epoch=1740000000),)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        (
            "pvectl-fixtures/node_subscription.json",
            SubscriptionReading("active", "c", "Proxmox VE Community Subscription 1 CPU/year", "2025-01-15"),
        ),
        (
            "pbs-exporter-node-inline/subscriptionActive.json",
            SubscriptionReading(
                "active", "", "Proxmox Backup Server Standard Subscription 1 CPU/year", "2027-01-15"
            ),
        ),
        ("pbs-exporter-node-inline/subscriptionNotFound.json", SubscriptionReading("notfound")),
    ],
)
def test_subscriptions_are_read(name: str, expected: SubscriptionReading) -> None:
    assert hardware.read_subscription(recorded(name)) == expected


def test_the_pressure_of_a_node_of_pve_9_is_read() -> None:
    reading = hardware.read_node_history_newest(recorded("pulse-rrd/pve9_node_rrddata.json"))

    assert reading.pressure == PressureReading(
        cpu_some=2.28333333333333,
        io_some=0.0,
        io_full=0.0,
        memory_some=0.0,
        memory_full=0.0,
        measured_epoch=1785169080,
    )


def test_the_zfs_cache_of_a_node_of_pve_9_is_read() -> None:
    reading = hardware.read_node_history_newest(recorded("pulse-rrd/pve9_node_rrddata.json"))

    assert reading.arc_bytes == 1_615_051_000


@pytest.mark.parametrize(
    ("name", "network_in", "network_out"),
    [
        ("pulse-rrd/pve8_node_rrddata.json", 14398.3941176471, 15476.4176470588),
        ("fog-proxmox-pve6/node-rrddata.json", 971.766666666667, 2722.73),
    ],
)
def test_nodes_before_pve_9_tell_their_traffic_and_neither_pressure_nor_cache(
    name: str, network_in: float, network_out: float
) -> None:
    reading = hardware.read_node_history_newest(recorded(name))

    assert reading == NodeHistoryReading(
        network_in_bytes_per_second=network_in, network_out_bytes_per_second=network_out
    )
