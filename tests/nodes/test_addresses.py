from __future__ import annotations

import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nodes.addresses import (
    SPELLED,
    base_url_for_member,
    default_name,
    normalise_fingerprint,
    normalise_host,
    spelled_fingerprint,
)

FINGERPRINT = "aa" * 31 + "0f"


@pytest.mark.parametrize(
    ("kind", "text", "expected"),
    [
        ("pve", "pve1.lab", "https://pve1.lab:8006"),
        ("pve", "  https://PVE1.Lab:8006/  ", "https://pve1.lab:8006"),
        ("pve", "https://pve1.lab/#v1:0:=qemu", "https://pve1.lab:8006"),
        ("pve", "https://pve1.lab:9000/api2/json?x=1", "https://pve1.lab:9000"),
        ("pve", "http://pve1.lab", "http://pve1.lab"),
        ("pve", "http://pve1.lab:8080", "http://pve1.lab:8080"),
        ("pve", "HTTPS://192.0.2.10", "https://192.0.2.10:8006"),
        ("pve", "2001:db8::A", "https://[2001:db8::a]:8006"),
        ("pve", "https://[2001:db8:0:0::a]:443", "https://[2001:db8::a]:443"),
        ("pve", "pve1.lab.", "https://pve1.lab:8006"),
        ("pve", "pve_1", "https://pve_1:8006"),
        ("pve", "bücher.example", "https://xn--bcher-kva.example:8006"),
        ("pve", "127.0.0.1:40123", "https://127.0.0.1:40123"),
        ("pve", "localhost", "https://localhost:8006"),
        ("pbs", "vault.lab", "https://vault.lab:8007"),
        ("pbs", "http://vault.lab", "http://vault.lab:8007"),
        ("pbs", "https://vault.lab:9000", "https://vault.lab:9000"),
        ("pbs", "vault.lab:", "https://vault.lab:8007"),
    ],
)
def test_a_host_is_brought_into_its_one_spelling(kind: str, text: str, expected: str) -> None:
    assert normalise_host(kind, text) == expected


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "host is required"),
        ("   ", "host is required"),
        ("https://", "not a valid name"),
        ("ftp://pve1", "must begin with https://"),
        ("file:///etc/passwd", "must begin with https://"),
        ("https://root:secret@pve1", "must not hold a user name"),
        ("pve1@evil.example", "must not hold a user name"),
        ("pve1:99999", "port must be a number"),
        ("pve1:0", "port must be a number"),
        ("pve1:80a", "port must be a number"),
        ("[2001:db8::1", "without its closing bracket"),
        ("[pve1]", "only an IPv6 address"),
        ("fe80::1%eth0", "zone"),
        ("pve 1", "not a valid name"),
        ("pve1\r\nX-Header: 1", "not a valid name"),
        ("-pve", "not a valid name"),
        ("a..b", "not a valid name"),
        ("a" * 64, "not a valid name"),
        ("127.1", "not a valid IP address"),
        ("2130706433", "not a valid IP address"),
        ("0x7f000001", "not a valid IP address"),
        ("0177.0.0.01", "not a valid IP address"),
        ("1.2.3.4.5", "not a valid IP address"),
        ("0.0.0.0", "not the address of one host"),
        ("[::]", "not the address of one host"),
        ("224.0.0.1", "not the address of one host"),
        ("255.255.255.255", "not the address of one host"),
        ("169.254.169.254", "link-local or metadata"),
        ("[fe80::1]", "link-local or metadata"),
        ("[::ffff:169.254.169.254]", "link-local or metadata"),
        ("[64:ff9b::a9fe:a9fe]", "link-local or metadata"),
        ("[2002:a9fe:a9fe::1]", "link-local or metadata"),
        ("[fd00:ec2::254]", "link-local or metadata"),
        ("100.100.100.200", "link-local or metadata"),
    ],
)
def test_a_host_that_cannot_be_one_is_refused_with_a_sentence(text: str, problem: str) -> None:
    with pytest.raises(ValueError, match=problem):
        normalise_host("pve", text)


@given(st.text(max_size=60))
def test_any_text_is_refused_or_a_host_that_stays_as_it_is(text: str) -> None:
    try:
        host = normalise_host("pve", text)
    except ValueError:
        return

    assert normalise_host("pve", host) == host


@given(st.ip_addresses())
def test_every_address_is_judged_without_an_error(address: ipaddress.IPv4Address) -> None:
    assert isinstance(SPELLED.refusal_of(address), str)


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("https://pve1.lab:8006", "pve1.lab"),
        ("https://192.0.2.10:8006", "192.0.2.10"),
        ("https://[2001:db8::a]:8006", "2001:db8::a"),
    ],
)
def test_the_default_name_is_the_host_alone(url: str, expected: str) -> None:
    assert default_name("pve", url) == expected


@pytest.mark.parametrize(
    ("url", "member", "expected"),
    [
        ("https://pve1.lab:8006", "192.0.2.11", "https://192.0.2.11:8006"),
        ("https://pve1.lab:9000", "pve2", "https://pve2:9000"),
        ("http://pve1.lab", "2001:db8::2", "http://[2001:db8::2]"),
    ],
)
def test_a_member_is_asked_with_the_scheme_and_port_of_the_configured_address(
    url: str, member: str, expected: str
) -> None:
    assert base_url_for_member(url, member) == expected


@pytest.mark.parametrize("member", ["", "pve2/evil", "a@b", "pve2:22", "169.254.169.254", "..", "pve\n2"])
def test_a_member_whose_name_is_no_host_is_refused(member: str) -> None:
    with pytest.raises(ValueError, match=r".+"):
        base_url_for_member("https://pve1.lab:8006", member)


@pytest.mark.parametrize(
    "text",
    [
        FINGERPRINT,
        FINGERPRINT.upper(),
        ":".join(["AA"] * 31 + ["0F"]),
        "  " + " ".join(["aa"] * 31 + ["0f"]) + "\n",
        "SHA256:" + FINGERPRINT,
        "sha256=" + FINGERPRINT,
    ],
)
def test_a_fingerprint_is_brought_into_its_one_spelling(text: str) -> None:
    assert normalise_fingerprint(text) == FINGERPRINT


def test_no_fingerprint_stays_none() -> None:
    assert normalise_fingerprint("  ") == ""


@pytest.mark.parametrize(("text", "problem"), [("aa" * 20, "SHA-1"), ("xyz", "64 hex"), ("g" * 64, "64 hex")])
def test_what_is_no_sha256_fingerprint_is_refused_with_a_sentence(text: str, problem: str) -> None:
    with pytest.raises(ValueError, match=problem):
        normalise_fingerprint(text)


def test_a_fingerprint_is_shown_as_proxmox_shows_it() -> None:
    assert spelled_fingerprint("0a1b2c") == "0A:1B:2C"
