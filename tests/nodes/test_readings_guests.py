from __future__ import annotations

from typing import Any

import pytest

from nodes.proxmox import guests
from nodes.proxmox.errors import BadAnswer
from nodes.proxmox.readings.guests import (
    AddressReading,
    FilesystemReading,
    GuestDetailReading,
    GuestDiskReading,
    GuestSnapshotReading,
    GuestSystemReading,
    PressureReading,
)


def disk(key: str, value: object) -> GuestDiskReading:
    """Return the only disk of a configuration."""
    (reading,) = guests.read_guest_config({key: value}).disks
    return reading


def test_a_disk_is_read_with_storage_size_and_whether_it_is_backed_up() -> None:
    assert disk("scsi0", "local-lvm:vm-100-disk-0,backup=0,iothread=1,size=32G") == GuestDiskReading(
        key="scsi0",
        volume="local-lvm:vm-100-disk-0",
        storage="local-lvm",
        size_bytes=34359738368,
        is_backed_up=False,
    )


@pytest.mark.parametrize(
    ("key", "value", "expected"),
    [
        ("scsi0", "a:vm-100-disk-0,size=1G", True),
        ("virtio15", "a:vm-100-disk-0,backup=1", True),
        ("sata5", "a:vm-100-disk-0,backup=no", False),
        ("efidisk0", "a:vm-100-disk-1,size=4M", True),
        ("tpmstate0", "a:vm-100-disk-2,size=4M", True),
        ("unused3", "a:vm-100-disk-3", False),
        ("rootfs", "a:subvol-100-disk-0,size=8G", True),
        ("mp0", "a:subvol-100-disk-1,mp=/srv,size=8G", False),
        ("mp255", "a:subvol-100-disk-1,mp=/srv,backup=1,size=8G", True),
        ("mp1", "/mnt/host,mp=/srv,backup=1", False),
        ("mp2", "/dev/sdb1,mp=/srv,backup=1", False),
    ],
)
def test_what_is_backed_up_follows_from_the_kind_of_the_disk_and_its_flag(
    key: str, value: str, expected: bool
) -> None:
    assert disk(key, value).is_backed_up is expected


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("ide2", "none,media=cdrom"),
        ("ide2", "local:iso/debian.iso,media=cdrom,size=600M"),
        ("sata0", "cdrom"),
        ("ide0", "local-lvm:vm-101-cloudinit,media=cdrom,size=4M"),
        ("scsi1", "local-lvm:vm-101-cloudinit,size=4M"),
        ("scsi1", "nas:101/vm-101-cloudinit.qcow2"),
        ("scsihw", "virtio-scsi-pci"),
        ("scsi", "a:b"),
        ("net0", "virtio=AA:BB:CC:DD:EE:FF"),
        ("scsi0", ""),
        ("scsi0", None),
        ("scsi0", {"file": "x"}),
    ],
)
def test_media_and_what_is_no_disk_are_left_out(key: str, value: object) -> None:
    assert guests.read_guest_config({key: value}).disks == ()


def test_a_disk_passed_through_from_the_host_has_no_storage() -> None:
    reading = disk("scsi0", "/dev/disk/by-id/ata-X:1,size=1T")

    assert (reading.volume, reading.storage, reading.size_bytes) == (
        "/dev/disk/by-id/ata-X:1",
        "",
        1099511627776,
    )


def test_a_disk_may_be_told_under_its_key_file() -> None:
    assert disk("scsi0", "size=1G,file=nas:100/vm-100-disk-0.raw").volume == "nas:100/vm-100-disk-0.raw"


def test_mount_points_tell_where_they_are_mounted() -> None:
    reading = guests.read_guest_config({"mp0": "a:s-1,mp=/srv/data", "rootfs": "a:s-0"})

    assert [(one.key, one.mount_point) for one in reading.disks] == [("rootfs", "/"), ("mp0", "/srv/data")]


def test_disks_come_by_kind_and_number_whatever_the_order_of_the_answer() -> None:
    config = dict.fromkeys(("scsi10", "virtio0", "scsi2", "ide0"), "a:vm-100-disk-0")

    assert [one.key for one in guests.read_guest_config(config).disks] == [
        "ide0",
        "scsi2",
        "scsi10",
        "virtio0",
    ]


def test_a_configuration_with_more_disks_than_there_can_be_is_cut() -> None:
    config = {f"unused{number}": "a:b" for number in range(900)}

    assert len(guests.read_guest_config(config).disks) == 600


@pytest.mark.parametrize(
    ("agent", "expected"),
    [
        ("1", True),
        (1, True),
        ("enabled=1,fstrim_cloned_disks=1", True),
        ("1,type=virtio", True),
        ("type=virtio,enabled=1", True),
        ("0", False),
        (0, False),
        ("enabled=0", False),
        ("fstrim_cloned_disks=1", False),
        (None, False),
    ],
)
def test_the_agent_is_enabled_in_several_spellings(agent: object, expected: bool) -> None:
    assert guests.read_guest_config({"agent": agent}).agent_is_enabled is expected


@pytest.mark.parametrize(
    ("memory", "expected"),
    [
        (2048, 2147483648),
        ("512", 536870912),
        ("current=2048", 2147483648),
        ("x", None),
        (10**13, None),
        (None, None),
    ],
)
def test_memory_is_told_in_mebibytes(memory: object, expected: int | None) -> None:
    assert guests.read_guest_config({"memory": memory}).memory_bytes == expected


def test_a_balloon_of_zero_is_told_apart_from_none() -> None:
    assert guests.read_guest_config({"balloon": 0}).balloon_bytes == 0
    assert guests.read_guest_config({"cores": 1}).balloon_bytes is None


def test_a_container_is_named_by_its_host_name() -> None:
    reading = guests.read_guest_config(
        {"hostname": "dns1", "onboot": 1, "protection": "1", "ostype": "debian"}
    )

    assert (reading.name, reading.starts_on_boot, reading.is_protected, reading.os_type) == (
        "dns1",
        True,
        True,
        "debian",
    )


@pytest.mark.parametrize(
    ("description", "expected"),
    [
        ("one\ntwo\n", "one\ntwo"),
        ("one%0Atwo%3A 100%25", "one\ntwo: 100%"),
        ("gr%C3%B6%C3%9Fe", "größe"),
        ("see https://x.test/a%20b", "see https://x.test/a%20b"),
        ("100% of it", "100% of it"),
        ("%ff", "%ff"),
        ("a\x00\x1b[31mb", "a[31mb"),
        ("x" * 9000, "x" * 8192),
    ],
)
def test_notes_keep_their_lines_and_lose_their_encoding(description: str, expected: str) -> None:
    assert guests.read_guest_config({"description": description}).notes == expected


@pytest.mark.parametrize("data", [None, [], "x", {str(number): 1 for number in range(2001)}])
def test_a_configuration_that_is_none_is_a_bad_answer(data: object) -> None:
    with pytest.raises(BadAnswer):
        guests.read_guest_config(data)


def test_snapshots_come_oldest_first_without_the_guest_as_it_is() -> None:
    rows = [
        {"name": "current", "running": 1, "parent": "after"},
        {
            "name": "after",
            "snaptime": 1700000100,
            "parent": "before",
            "vmstate": 1,
            "description": "one%0Atwo",
        },
        {"name": "before", "snaptime": 1700000000, "snapstate": "delete"},
    ]

    assert guests.read_guest_snapshots(rows) == (
        GuestSnapshotReading("before", 1700000000, state="delete"),
        GuestSnapshotReading("after", 1700000100, description="one\ntwo", parent="before", has_memory=True),
    )


def test_a_guest_without_snapshots_is_a_reading() -> None:
    assert guests.read_guest_snapshots([{"name": "current"}]) == ()


@pytest.mark.parametrize(
    "data", [None, {}, [1], [{"snaptime": 5}], [{"name": f"s{number}"} for number in range(2001)]]
)
def test_snapshots_that_cannot_be_read_are_a_bad_answer(data: object) -> None:
    with pytest.raises(BadAnswer):
        guests.read_guest_snapshots(data)


def filesystem(**fields: Any) -> dict[str, Any]:
    return {"mountpoint": "/", "name": "sda1", "type": "ext4", **fields}


def controller(**fields: Any) -> dict[str, Any]:
    return {"domain": 0, "bus": 9, "slot": 1, "function": 0, **fields}


def test_a_file_system_is_read_as_the_guest_told_it() -> None:
    row = filesystem(
        **{"total-bytes": 100, "used-bytes": 40, "disk": [{"serial": "QM00005", "dev": "/dev/sda1"}]}
    )

    assert guests.read_agent_filesystems({"result": [row]}) == (
        FilesystemReading("/", "ext4", "sda1", total_bytes=100, used_bytes=40, disks=("QM00005",)),
    )


def test_a_file_system_without_sizes_has_none() -> None:
    (reading,) = guests.read_agent_filesystems({"result": [filesystem()]})

    assert (reading.total_bytes, reading.used_bytes, reading.disks) == (None, None, ())


@pytest.mark.parametrize(
    ("disk", "expected"),
    [
        ({"serial": "S1", "bus-type": "scsi", "pci-controller": controller()}, "S1"),
        (
            {
                "bus-type": "scsi",
                "bus": 0,
                "target": 1,
                "unit": 2,
                "pci-controller": controller(),
                "dev": "/dev/sda",
            },
            "scsi 0:9:1:0 0:1:2",
        ),
        ({"bus-type": "virtio", "pci-controller": controller()}, "virtio 0:9:1:0 ?:?:?"),
        (
            {"pci-controller": controller(slot=-1), "bus": 0, "dev": "\\\\.\\PhysicalDrive0"},
            "\\\\.\\PhysicalDrive0",
        ),
        ({"dev": "/dev/vda"}, "/dev/vda"),
    ],
)
def test_a_disk_is_told_apart_by_serial_address_or_device(disk: dict[str, Any], expected: str) -> None:
    (reading,) = guests.read_agent_filesystems({"result": [filesystem(disk=[disk, disk, {}])]})

    assert reading.disks == (expected,)


def test_more_file_systems_than_a_guest_can_have_are_cut() -> None:
    assert len(guests.read_agent_filesystems({"result": [filesystem()] * 600})) == 512


def test_an_agent_that_answers_with_an_error_has_no_file_systems() -> None:
    assert guests.read_agent_filesystems({"result": {"error": {"class": "Unsupported"}}}) == ()


@pytest.mark.parametrize("data", [None, [], {}, {"result": None}, {"result": {"return": []}}])
def test_an_answer_of_an_agent_without_a_result_is_a_bad_answer(data: object) -> None:
    with pytest.raises(BadAnswer):
        guests.read_agent_filesystems(data)
    with pytest.raises(BadAnswer):
        guests.read_agent_addresses(data)


def test_addresses_are_read_in_their_one_spelling() -> None:
    rows = [
        {"name": "eth0", "hardware-address": "BC:24:11:AA:00:01", "ip-addresses": [
            {"ip-address": "FE80:0::1%eth0", "prefix": "64"},
            {"ip-address": "192.0.2.7", "prefix": 33},
            {"ip-address": "no address", "prefix": 24}]},
        {"name": "eth1", "hardware-address": "x"},
    ]  # fmt: skip

    assert guests.read_agent_addresses({"result": rows}) == (
        AddressReading("eth0", "fe80::1", 64, "bc:24:11:aa:00:01"),
        AddressReading("eth0", "192.0.2.7", None, "bc:24:11:aa:00:01"),
    )


def test_more_addresses_than_a_guest_can_have_are_cut() -> None:
    row = {"name": "eth0", "ip-addresses": [{"ip-address": "192.0.2.7"}] * 400}

    assert len(guests.read_agent_addresses({"result": [row, row]})) == 512


def test_a_container_tells_its_addresses_in_the_old_way_and_the_new() -> None:
    rows = [
        {"name": "eth0", "hwaddr": "BC:24:11:00:00:02", "inet": "192.0.2.8/24", "inet6": "fe80::2/64"},
        {"name": "eth1", "hwaddr": "x", "hardware-address": "bc:24:11:00:00:03", "inet": "192.0.2.9/24",
         "ip-addresses": [{"ip-address": "192.0.2.9", "prefix": "24"}, {"ip-address": "192.0.2.10", "prefix": "25"}]},
    ]  # fmt: skip

    assert guests.read_container_addresses(rows) == (
        AddressReading("eth0", "192.0.2.8", 24, "bc:24:11:00:00:02"),
        AddressReading("eth0", "fe80::2", 64, "bc:24:11:00:00:02"),
        AddressReading("eth1", "192.0.2.9", 24, "bc:24:11:00:00:03"),
        AddressReading("eth1", "192.0.2.10", 25, "bc:24:11:00:00:03"),
    )


def test_a_container_that_does_not_run_has_no_addresses() -> None:
    assert guests.read_container_addresses(None) == ()


def test_a_virtual_machine_tells_its_balloon_and_its_share_of_the_host() -> None:
    row = {
        "vmid": 100,
        "memhost": 9,
        "balloon": 1,
        "ballooninfo": {"actual": 8, "total_mem": 7, "free_mem": 3},
    }

    assert guests.read_node_guests([row], kind="qemu") == (
        GuestDetailReading(
            100,
            "qemu",
            balloon_actual_bytes=8,
            guest_free_bytes=3,
            host_memory_bytes=9,
        ),
    )


def test_free_memory_is_taken_from_the_first_place_that_tells_it_zero_included() -> None:
    (reading,) = guests.read_node_guests(
        [{"vmid": 100, "freemem": 0, "ballooninfo": {"free_mem": 3}}], kind="qemu"
    )

    assert reading.guest_free_bytes == 0


def test_a_container_tells_swap_and_pressures_in_quotes() -> None:
    row = {
        "vmid": "101",
        "swap": 5,
        "maxswap": 10,
        "memhost": 0,
        "pressurecpusome": "0.25",
        "pressureiofull": "1.50",
    }

    assert guests.read_node_guests([row], kind="lxc") == (
        GuestDetailReading(
            101,
            "lxc",
            swap_used_bytes=5,
            swap_total_bytes=10,
            pressure=PressureReading(cpu_some=0.25, io_full=1.5),
        ),
    )


def test_a_row_without_a_vmid_does_not_hide_the_others() -> None:
    assert [one.vmid for one in guests.read_node_guests([{"name": "x"}, 5, {"vmid": 7}], kind="lxc")] == [7]


def test_guests_of_a_node_beyond_all_measure_are_a_bad_answer() -> None:
    with pytest.raises(BadAnswer, match="more than 20000 entries"):
        guests.read_node_guests([{"vmid": number} for number in range(1, 20_002)], kind="lxc")


@pytest.mark.parametrize(
    ("result", "expected"),
    [
        ({"pretty-name": "Debian GNU/Linux 12 (bookworm)", "name": "Debian GNU/Linux", "id": "debian", "kernel-release": "6.1.0-28-amd64", "machine": "x86_64"},
         GuestSystemReading("Debian GNU/Linux 12 (bookworm)", "6.1.0-28-amd64", "x86_64")),
        ({"pretty-name": "Windows Server 2022 Standard", "kernel-release": "20348", "machine": "x86_64"},
         GuestSystemReading("Windows Server 2022 Standard", "20348", "x86_64")),
        ({"pretty-name": "", "name": "FreeBSD"}, GuestSystemReading("FreeBSD")),
        ({"id": "nixos"}, GuestSystemReading("nixos")),
        ({"name": "A\x1b[31mB\u202eC", "machine": ["x"]}, GuestSystemReading("A[31mBC")),
        ({"name": "x" * 900}, GuestSystemReading("x" * 256)),
    ],
)  # fmt: skip
def test_the_system_of_a_guest_is_read(result: dict[str, object], expected: GuestSystemReading) -> None:
    assert guests.read_agent_system({"result": result}) == expected


@pytest.mark.parametrize(
    "data", [None, [], {}, {"result": None}, {"result": {}}, {"result": {"machine": "x"}}]
)
def test_a_guest_that_names_no_system_is_a_bad_answer(data: object) -> None:
    with pytest.raises(BadAnswer):
        guests.read_agent_system(data)
