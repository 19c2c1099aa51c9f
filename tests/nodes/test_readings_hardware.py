from __future__ import annotations

from typing import Any

import pytest

from nodes.proxmox import hardware
from nodes.proxmox.errors import BadAnswer
from nodes.proxmox.readings.guests import PressureReading
from nodes.proxmox.readings.hardware import (
    CertificateReading,
    DiskReading,
    NodeHistoryReading,
    PendingUpdateReading,
    SmartReading,
    SubscriptionReading,
    ThinPoolReading,
    ZfsDeviceReading,
    ZfsPoolDetailReading,
    ZfsPoolReading,
)


def disk(*, with_smart: bool = True, **fields: Any) -> DiskReading:
    """Return the reading of one disk."""
    (reading,) = hardware.read_disks([{"devpath": "/dev/sda", **fields}], with_smart=with_smart)
    return reading


def test_a_disk_is_read() -> None:
    assert disk(
        model="M", serial="S", vendor="V", wwn="0x5", type="ssd", size=512, used="ZFS", health="PASSED", wearout="97",
        **{"osdid-list": ["4", 3], "osdid": 3},
    ) == DiskReading("/dev/sda", "M", "S", "V", "0x5", "ssd", 512, "ZFS", "PASSED", 97, (3, 4))  # fmt: skip


@pytest.mark.parametrize(
    ("wearout", "expected"),
    [
        ("N/A", None),
        ("", None),
        (None, None),
        (-156, None),
        (101, None),
        (True, None),
        ("100", 100),
        (0, 0),
        (96.6, 97),
        (-1, 0),
        ("-3", 0),
        (-0.4, 0),
        (-155, 0),
    ],
)
def test_a_wear_that_is_not_told_is_unknown_and_not_zero(wearout: object, expected: int | None) -> None:
    assert disk(wearout=wearout).life_left_percent == expected


def test_without_smart_nothing_is_said_of_health_and_wear() -> None:
    reading = disk(with_smart=False, health="UNKNOWN", wearout="97")

    assert (reading.health, reading.life_left_percent) == ("", None)


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"osdid": -1, "osdid-list": None}, ()),
        ({"osdid": "-1"}, ()),
        ({"osdid": "444"}, (444,)),
        ({"osdid-list": [], "osdid": 5}, ()),
        ({"osdid-list": [7, 7, "x"]}, (7,)),
        ({}, ()),
    ],
)
def test_the_osds_of_a_disk_are_told_in_two_ways(fields: dict[str, Any], expected: tuple[int, ...]) -> None:
    assert disk(**fields).osd_ids == expected


def test_a_disk_of_a_backup_server_is_read_under_its_own_names() -> None:
    reading = disk(**{"disk-type": "HDD", "status": "passed", "wearout": 12.0})

    assert (reading.kind, reading.health, reading.life_left_percent) == ("hdd", "passed", 12)


def test_disks_come_by_device() -> None:
    rows = [{"devpath": "/dev/sdb"}, {"devpath": "/dev/sda"}, {"model": "x"}]

    assert [one.device for one in hardware.read_disks(rows, with_smart=True)] == ["/dev/sda", "/dev/sdb"]


def attributes(*pairs: tuple[object, object]) -> dict[str, Any]:
    return {"type": "ata", "health": "PASSED", "attributes": [{"id": id, "raw": raw} for id, raw in pairs]}


def test_a_sata_disk_tells_its_figures_in_attributes() -> None:
    data = attributes((" 190", "31 (0 18 0 0 0)"), ("194", "32 (Min/Max 22/46)"), ("  9", "1309h+05m+12s"))

    assert hardware.read_smart(data) == SmartReading("PASSED", temperature_celsius=32, power_on_hours=1309)


@pytest.mark.parametrize(
    ("pairs", "expected"),
    [
        ([(190, "31")], 31),
        ([(194, "-5")], -5),
        ([(194, "4294967296")], None),
        ([(194, "151"), (190, "30")], 30),
        ([(194, "hot")], None),
        ([], None),
    ],
)
def test_a_temperature_that_no_disk_can_have_is_unknown(
    pairs: list[tuple[object, object]], expected: int | None
) -> None:
    assert hardware.read_smart(attributes(*pairs)).temperature_celsius == expected


def test_an_nvme_disk_tells_its_figures_in_words() -> None:
    text = "\nTemperature:       41 Celsius\nPercentage Used:      105%\nPower On Hours:     1,687\n"

    assert hardware.read_smart({"health": "PASSED", "type": "text", "text": text}) == SmartReading(
        "PASSED", temperature_celsius=41, life_left_percent=0, power_on_hours=1687
    )


def test_a_wear_that_is_told_goes_before_the_words() -> None:
    reading = hardware.read_smart({"wearout": 69, "text": "Percentage Used: 30%\n", "health": "PASSED"})

    assert reading.life_left_percent == 69


@pytest.mark.parametrize(
    ("used", "wearout", "expected"),
    [
        ("0", None, 100),
        ("98", None, 2),
        ("100", None, 0),
        ("103", None, 0),
        ("255", None, 0),
        ("256", None, None),
        ("7", 91.0, 91),
        ("", None, None),
    ],
)
def test_an_nvme_disk_of_a_backup_server_counts_what_is_used(used, wearout, expected) -> None:
    """PBS fills `wearout` up to 100 % of use alone; the attribute goes on to 255."""
    rows = [{"name": "percentage_used", "value": used, "raw": used}]

    reading = hardware.read_smart({"status": "passed", "wearout": wearout, "attributes": rows})

    assert reading.life_left_percent == expected


def test_a_sas_disk_tells_its_hours_and_minutes() -> None:
    text = "Current Drive Temperature:     20 C\nAccumulated power on time, hours:minutes 7127:12\n"

    reading = hardware.read_smart({"health": "OK", "text": text})

    assert (reading.temperature_celsius, reading.power_on_hours) == (20, 7127)


def test_an_nvme_disk_of_a_backup_server_tells_its_figures_in_attributes_without_numbers() -> None:
    rows = [{"name": "temperature", "raw": "44"}, {"name": "power_on_hours", "raw": "9913"}, {"name": "media_errors", "raw": "0"}]  # fmt: skip

    reading = hardware.read_smart({"status": "passed", "wearout": 90.0, "attributes": rows})

    assert reading == SmartReading(
        "passed", temperature_celsius=44, life_left_percent=90, power_on_hours=9913
    )


@pytest.mark.parametrize(
    ("kind", "device", "name"),
    [
        ("pve", "/dev/sda", "/dev/sda"),
        ("pve", "/dev/cciss/c0d0", "/dev/cciss/c0d0"),
        ("pve", "/dev/dm-0", ""),
        ("pve", "sda", ""),
        ("pve", "/dev/sda\n", ""),
        ("pbs", "/dev/sda", "sda"),
        ("pbs", "/dev/nvme0n1", "nvme0n1"),
        ("pbs", "/dev/xvdab", "xvdab"),
        ("pbs", "/dev/dm-0", ""),
        ("pbs", "/dev/sda1", ""),
        ("pbs", "", ""),
    ],
)
def test_a_disk_is_called_as_each_product_wants_it(kind: str, device: str, name: str) -> None:
    assert hardware.smart_name(kind, device) == name


def test_smart_of_a_backup_server_tells_a_status() -> None:
    assert hardware.read_smart({"status": "failed"}).health == "failed"


@pytest.mark.parametrize("data", [None, [], {}])
def test_smart_that_is_none_is_a_bad_answer(data: object) -> None:
    with pytest.raises(BadAnswer):
        hardware.read_smart(data)


def test_a_zfs_pool_is_read() -> None:
    rows = [
        {"name": "tank", "health": "DEGRADED", "size": 9, "alloc": 4, "free": 5, "frag": "15", "dedup": 1},
        {"name": "rpool", "frag": -1},
    ]

    assert hardware.read_zfs_pools(rows) == (
        ZfsPoolReading("rpool"),
        ZfsPoolReading("tank", "DEGRADED", 9, 4, 5, 15),
    )


def test_a_zfs_pool_is_read_with_the_leaves_of_its_tree() -> None:
    mirror = {"name": "mirror-0", "state": "DEGRADED", "read": 0, "children": [
        {"name": "sda", "state": "ONLINE", "read": 0, "write": 0, "cksum": 3.0, "msg": ""},
        {"name": "12345", "state": "UNAVAIL", "read": "0", "write": 0, "cksum": 0, "msg": "was /dev/sdb1"}]}  # fmt: skip
    spares = {"name": "spares", "children": [{"name": "sdc", "state": "AVAIL"}]}
    row = {"name": "tank", "state": "DEGRADED", "status": "One is missing.", "action": "Attach it.", "scan": "none requested",
           "errors": "No known data errors",
           "children": [{"name": "tank", "state": "DEGRADED", "children": [mirror]}, spares, {"name": "logs"}]}  # fmt: skip

    assert hardware.read_zfs_pool(row) == ZfsPoolDetailReading(
        "DEGRADED", "One is missing.", "Attach it.", "none requested", "No known data errors",
        (ZfsDeviceReading("sda", "ONLINE", 0, 0, 3), ZfsDeviceReading("12345", "UNAVAIL", 0, 0, 0, "was /dev/sdb1"),
         ZfsDeviceReading("sdc", "AVAIL")),
    )  # fmt: skip


@pytest.mark.parametrize("data", [None, [], {}, {"name": "tank"}, {"state": ""}])
def test_a_pool_without_a_state_is_a_bad_answer(data: object) -> None:
    with pytest.raises(BadAnswer):
        hardware.read_zfs_pool(data)


def test_a_pool_of_far_too_many_devices_is_cut() -> None:
    rows = [{"name": f"d{number}", "state": "ONLINE"} for number in range(5_000)]

    assert len(hardware.read_zfs_pool({"state": "ONLINE", "children": rows}).devices) == 2_000


def test_a_thin_pool_is_read_with_its_metadata() -> None:
    row = {"lv": "data", "vg": "pve", "lv_size": 9, "used": 4, "metadata_size": 3, "metadata_used": 2}

    assert hardware.read_thin_pools([row]) == (ThinPoolReading("data", "pve", 9, 4, 3, 2),)


def test_a_node_without_thin_pools_is_a_reading() -> None:
    assert hardware.read_thin_pools([]) == ()


def test_a_certificate_is_read() -> None:
    rows = [
        {"filename": "pveproxy-ssl.pem", "subject": "/CN=pve1.lab", "issuer": "/CN=R3", "fingerprint": "AB:" * 31 + "CD",
         "notafter": 1767225600},
        {"filename": "pve-ssl.pem", "fingerprint": "x"},
        {"subject": "x"},
    ]  # fmt: skip

    assert hardware.read_certificates(rows) == (
        CertificateReading("pve-ssl.pem"),
        CertificateReading("pveproxy-ssl.pem", "/CN=pve1.lab", "/CN=R3", "ab" * 31 + "cd", 1767225600),
    )


def test_a_subscription_is_read_without_its_key() -> None:
    data = {
        "status": "Active",
        "level": "c",
        "productname": "Community",
        "nextduedate": "2027-01-15",
        "key": "pve1c-secret",
    }

    assert hardware.read_subscription(data) == SubscriptionReading("active", "c", "Community", "2027-01-15")


@pytest.mark.parametrize("data", [None, [], {}, {"level": "c"}])
def test_a_subscription_without_a_status_is_a_bad_answer(data: object) -> None:
    with pytest.raises(BadAnswer):
        hardware.read_subscription(data)


def test_pending_updates_come_by_package() -> None:
    rows = [
        {
            "Package": "qemu-server",
            "Version": "9.0.2",
            "OldVersion": "9.0.1",
            "Origin": "Proxmox",
            "Description": "long",
        },
        {"Package": "bash", "Version": "5.2-3"},
        {"Title": "x"},
    ]

    assert hardware.read_pending_updates(rows) == (
        PendingUpdateReading("bash", "5.2-3"),
        PendingUpdateReading("qemu-server", "9.0.2", "9.0.1", "Proxmox"),
    )


def test_the_pressure_of_a_node_is_the_newest_one() -> None:
    rows = [
        {"time": 1767225660, "pressurecpusome": 2.5, "pressurememorysome": 0},
        {"time": 1767225720},
        {"time": 1767225600, "pressurecpusome": 1.5},
        {"pressurecpusome": 9.5},
    ]

    assert hardware.read_node_history_newest(rows) == NodeHistoryReading(
        pressure=PressureReading(cpu_some=2.5, memory_some=0.0, measured_epoch=1767225660)
    )


def test_the_zfs_cache_of_a_node_is_the_newest_one_whatever_other_rows_lack() -> None:
    rows = [
        {"time": 1767225600, "arcsize": 100.75, "pressurecpusome": 1.5},
        {"time": 1767225660, "arcsize": "200"},
        {"time": 1767225720, "arcsize": None},
        {"arcsize": 900},
    ]

    assert hardware.read_node_history_newest(rows) == NodeHistoryReading(
        pressure=PressureReading(cpu_some=1.5, measured_epoch=1767225600), arc_bytes=200
    )


def test_a_node_without_zfs_has_a_cache_of_nothing() -> None:
    assert hardware.read_node_history_newest([{"time": 1767225660, "arcsize": 0}]).arc_bytes == 0


def test_a_node_of_pve_8_tells_neither_pressure_nor_cache() -> None:
    assert hardware.read_node_history_newest([{"time": 1767225660, "cpu": 0.5}]) == NodeHistoryReading()


def test_a_history_that_is_no_list_is_a_bad_answer() -> None:
    with pytest.raises(BadAnswer):
        hardware.read_node_history_newest({"time": 5})
