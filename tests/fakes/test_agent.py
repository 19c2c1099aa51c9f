"""The agent inside virtual machines: what it tells, and each way in which it does not."""

from __future__ import annotations

import time
from typing import Any

import pytest

from tests.fake_proxmox import FakeEstate, FakeServer, ManualClock, PveSpec
from tests.fake_proxmox.fixtures import virtual_estate
from tests.fakes.raw import get, granted

AGENT = "/nodes/pve/qemu/104/agent/"


def _filesystems(server: FakeServer, vmid: int) -> list[dict[str, Any]]:
    return list(get(server, f"/nodes/pve/qemu/{vmid}/agent/get-fsinfo").data["result"])


@pytest.mark.parametrize(
    ("state", "status", "reason"),
    [
        ("none", 500, "No QEMU guest agent configured"),
        ("dead", 500, "QEMU guest agent is not running"),
        ("hung", 500, "VM 104 qga command 'guest-get-fsinfo' failed - got timeout"),
        (
            "disabled",
            500,
            "VM 104 qga command 'guest-get-fsinfo' failed - Command guest-get-fsinfo has been disabled: the command is not allowed",
        ),
    ],
)
def test_agent_that_does_not_answer_says_why(
    fake_pve: FakeServer, state: str, status: int, reason: str
) -> None:
    fake_pve.site.set_agent(104, state)

    reply = get(fake_pve, AGENT + "get-fsinfo")

    assert (reply.status, reply.reason, reply.data) == (status, reason, None)


def test_agent_of_a_stopped_machine_is_not_asked(fake_pve: FakeServer) -> None:
    reply = get(fake_pve, "/nodes/pve/qemu/103/agent/get-fsinfo")

    assert (reply.status, reply.reason) == (500, "VM 103 is not running")


def test_command_that_the_guest_does_not_have_is_a_200_with_an_error_inside(fake_pve: FakeServer) -> None:
    fake_pve.site.set_agent(104, "unsupported")

    reply = get(fake_pve, AGENT + "network-get-interfaces")

    assert reply.status == 200
    assert reply.data == {
        "result": {
            "error": {"class": "Unsupported", "desc": "this feature or command is not currently supported"}
        }
    }


@pytest.mark.parametrize(("state", "least"), [("dead", 0.3), ("hung", 0.5)])
def test_dead_agent_is_given_up_after_a_while(state: str, least: float) -> None:
    spec = PveSpec(name="pve", is_home_lab=True)
    with FakeEstate(spec, clock=ManualClock(), agent_delay_seconds=0.3) as estate:
        estate.site("pve").set_agent(104, state)
        began_at = time.monotonic()
        get(estate.servers[0], AGENT + "get-fsinfo")
        waited = time.monotonic() - began_at

    assert waited >= least


def test_delay_of_a_dead_agent_is_three_seconds_by_default() -> None:
    assert FakeEstate().agent_delay_seconds == 3.0


def test_delay_can_be_chosen_for_one_guest(fake_pve: FakeServer) -> None:
    fake_pve.site.set_agent(104, "dead", delay_seconds=0.25)
    began_at = time.monotonic()

    get(fake_pve, AGENT + "get-fsinfo")

    assert time.monotonic() - began_at >= 0.25


def test_other_agents_answer_while_one_is_waited_for(fake_pve: FakeServer) -> None:
    fake_pve.site.set_agent(104, "dead", delay_seconds=30)
    with pytest.raises(TimeoutError):
        get(fake_pve, AGENT + "get-fsinfo", timeout=0.1)

    assert get(fake_pve, "/nodes/pve/qemu/100/agent/get-host-name").data == {
        "result": {"host-name": "home-assistant"}
    }


@pytest.mark.parametrize(
    ("version", "privilege", "status"),
    [
        ("7.4", "VM.Monitor", 200),
        ("8.4", "VM.Monitor", 200),
        ("8.4", "VM.GuestAgent.Audit", 403),
        ("9.2", "VM.Monitor", 403),
        ("9.2", "VM.GuestAgent.Audit", 200),
        ("9.2", "VM.GuestAgent.Unrestricted", 200),
    ],
)
def test_privilege_for_the_agent_changed_with_9(version: str, privilege: str, status: int) -> None:
    with virtual_estate(PveSpec(name="pve", version=version, is_home_lab=True)) as estate:
        reply = get(estate.servers[0], AGENT + "get-osinfo", granted(estate.sites[0], privilege))

    assert reply.status == status


@pytest.mark.parametrize(
    ("version", "status", "reason"),
    [
        ("8.4", 403, "Permission check failed (/vms/104, VM.Monitor)"),
        ("9.2", 200, "OK"),
    ],
)
def test_auditor_may_ask_the_agent_from_9_on(version: str, status: int, reason: str) -> None:
    with virtual_estate(PveSpec(name="pve", version=version, is_home_lab=True)) as estate:
        reply = get(estate.servers[0], AGENT + "get-fsinfo")

    assert (reply.status, reply.reason) == (status, reason)


def test_refusal_on_9_names_both_privileges(fake_pve: FakeServer) -> None:
    reply = get(fake_pve, AGENT + "get-fsinfo", granted(fake_pve.site, "VM.Audit"))

    assert (
        reply.reason == "Permission check failed (/vms/104, VM.GuestAgent.Audit|VM.GuestAgent.Unrestricted)"
    )


def test_layers_of_containers_are_told_beside_the_disk_below_them(fake_pve: FakeServer) -> None:
    found = _filesystems(fake_pve, 104)

    assert [entry["type"] for entry in found] == ["ext4", "vfat", "iso9660", "overlay", "overlay", "overlay"]
    assert (found[0]["name"], found[0]["mountpoint"]) == ("sda1", "/")
    assert found[0]["total-bytes"] < found[0]["total-bytes-privileged"]
    assert found[0]["disk"][0]["dev"] == "/dev/sda1"
    assert found[3]["used-bytes"] == found[0]["used-bytes"]


def test_datasets_of_a_pool_share_what_is_free(fake_pve: FakeServer) -> None:
    tank = [entry for entry in _filesystems(fake_pve, 101) if entry["name"].startswith("tank")]

    assert len({entry["total-bytes"] - entry["used-bytes"] for entry in tank}) == 1
    assert sum(entry["total-bytes"] for entry in tank) > 2 * 8_000 * 2**30
    assert [entry["disk"] for entry in tank] == [[], [], [], []]


def test_device_mounted_twice_is_told_twice(fake_pve: FakeServer) -> None:
    data = [entry for entry in _filesystems(fake_pve, 100) if entry["name"] == "sda8"]

    assert [entry["mountpoint"] for entry in data] == ["/mnt/data", "/var/lib/docker"]
    assert data[0]["used-bytes"] == data[1]["used-bytes"]


def test_windows_has_volumes_and_some_without_a_size(fake_pve: FakeServer) -> None:
    fake_pve.site.start_guest(103)

    found = _filesystems(fake_pve, 103)

    assert [entry["mountpoint"] for entry in found] == ["System Reserved", "C:\\", "D:\\", "E:\\", ""]
    assert [entry["type"] for entry in found] == ["NTFS", "NTFS", "NTFS", "CDFS", "FAT32"]
    assert ["total-bytes" in entry for entry in found] == [True, True, True, False, False]


@pytest.mark.parametrize(
    ("system", "kinds"),
    [
        ("ubuntu", ["ext4", "vfat", "iso9660", "squashfs", "squashfs", "squashfs", "tmpfs"]),
        ("data", ["ext4", "xfs", "xfs"]),
        ("btrfs", ["btrfs", "btrfs", "btrfs", "btrfs"]),
        ("freebsd", ["ufs", "devfs"]),
    ],
)
def test_every_system_has_its_own_file_systems(fake_pve: FakeServer, system: str, kinds: list[str]) -> None:
    fake_pve.site.guest(104).system = system

    assert [entry["type"] for entry in _filesystems(fake_pve, 104)] == kinds


def test_file_systems_that_were_set_are_told_as_they_are(fake_pve: FakeServer) -> None:
    mine = [
        {"name": "sda1", "mountpoint": "/", "type": "ext4", "total-bytes": 100, "used-bytes": 97, "disk": []}
    ]

    fake_pve.site.set_filesystems(104, mine)
    first = _filesystems(fake_pve, 104)
    fake_pve.site.set_filesystems(104, None)

    assert first == mine
    assert len(_filesystems(fake_pve, 104)) == 6


def test_addresses_come_with_loopback_and_bridges(fake_pve: FakeServer) -> None:
    found = get(fake_pve, AGENT + "network-get-interfaces").data["result"]

    assert [entry["name"] for entry in found[:3]] == ["eth0", "lo", "docker0"]
    addresses = [(each["ip-address-type"], each["ip-address"]) for each in found[0]["ip-addresses"]]
    assert addresses[:2] == [("ipv4", "10.20.0.106"), ("ipv6", "fd00:20::68")]
    assert addresses[2][1].startswith("fe80::be24:11ff:fe")
    assert "ip-addresses" not in found[3]


def test_system_and_agent_tell_their_versions(fake_pve: FakeServer) -> None:
    system = get(fake_pve, AGENT + "get-osinfo").data["result"]
    information = get(fake_pve, AGENT + "info").data["result"]

    assert (system["id"], system["pretty-name"]) == ("debian", "Debian GNU/Linux 12 (bookworm)")
    assert information["version"] == "8.2.2"
    assert {"name": "guest-get-fsinfo", "enabled": True, "success-response": True} in information[
        "supported_commands"
    ]


def test_specification_says_how_many_agents_there_are_and_how_many_are_ill() -> None:
    with virtual_estate(PveSpec(nodes=2, guests=60, agents=10, agent_troubles=4)) as estate:
        states = [guest.agent for guest in estate.sites[0].model.guests.values() if guest.kind == "qemu"]

    assert sorted(state for state in states if state != "none") == [
        "dead", "disabled", "hung", "ok", "ok", "ok", "ok", "ok", "ok", "unsupported",
    ]  # fmt: skip


def test_agent_state_that_does_not_exist_is_an_error(fake_pve: FakeServer) -> None:
    with pytest.raises(ValueError, match="no agent 'asleep'"):
        fake_pve.site.set_agent(104, "asleep")
