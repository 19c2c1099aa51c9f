"""pulse.lib.clients and pulse.lib.origins: whose request is it."""

from __future__ import annotations

import pytest
from django.core import checks
from hypothesis import given
from hypothesis import strategies as st

from accounts.checks import check_origins, check_proxies
from pulse.lib.clients import (
    client_address,
    host_name,
    is_in,
    is_loopback,
    limit_key,
    network_of,
    read_arrival,
)
from pulse.lib.origins import is_allowed, is_listed, is_own, parse_origin

PROXIES = ("10.0.0.0/8", "2001:db8:1::/48", "192.0.2.1")


@pytest.mark.parametrize(
    ("peer", "forwarded_for", "address"),
    [
        ("10.0.0.1", "198.51.100.7", "198.51.100.7"),
        ("10.0.0.1", "", "10.0.0.1"),
        ("10.0.0.1", "1.1.1.1, 198.51.100.7", "198.51.100.7"),
        ("10.0.0.1", "198.51.100.7, 10.9.9.9", "198.51.100.7"),
        ("10.0.0.1", "10.1.1.1, 10.2.2.2", "10.1.1.1"),
        ("10.0.0.1", "127.0.0.1, 198.51.100.7 ,10.2.2.2", "198.51.100.7"),
        ("10.0.0.1", "198.51.100.7, unknown", "10.0.0.1"),
        ("10.0.0.1", "unknown, 10.2.2.2", "10.2.2.2"),
        ("10.0.0.1", "198.51.100.7:4711", "10.0.0.1"),
        ("10.0.0.1", "[2001:db8:2::1]", "2001:db8:2::1"),
        ("2001:db8:1::5", "::ffff:198.51.100.7", "198.51.100.7"),
        ("::ffff:10.0.0.1", "198.51.100.7", "198.51.100.7"),
    ],
)
def test_behind_trusted_proxies_the_right_most_other_hop_is_the_client(peer, forwarded_for, address):
    arrival = read_arrival(
        peer=peer,
        scheme="http",
        headers={"x-forwarded-for": forwarded_for},
        http_version="1.1",
        trusted=PROXIES,
    )

    assert arrival.address == address


@pytest.mark.parametrize("peer", ["198.51.100.9", "192.0.2.2", "", "testclient"])
def test_from_anybody_else_the_headers_are_not_looked_at(peer):
    headers = {
        "host": "pulse.test",
        "x-forwarded-for": "10.0.0.1",
        "x-forwarded-proto": "https",
        "x-forwarded-host": "evil.test",
    }

    arrival = read_arrival(peer=peer, scheme="http", headers=headers, http_version="1.1", trusted=PROXIES)

    assert (arrival.address, arrival.scheme, arrival.host) == (peer, "http", "pulse.test")


def test_a_trusted_proxy_tells_scheme_and_host_of_the_nearest_hop():
    headers = {
        "host": "127.0.0.1:7655",
        "x-forwarded-proto": "http, https",
        "x-forwarded-host": "evil.test, pulse.test:8443",
    }

    arrival = read_arrival(
        peer="10.0.0.1", scheme="http", headers=headers, http_version="1.1", trusted=PROXIES
    )

    assert (arrival.scheme, arrival.host) == ("https", "pulse.test:8443")


def test_thousands_of_hops_are_not_followed():
    assert (
        client_address("10.0.0.1", "198.51.100.7," + "10.1.1.1," * 5000 + "10.2.2.2", PROXIES) == "10.1.1.1"
    )


@given(st.text(max_size=60), st.text(max_size=60))
def test_no_text_in_a_header_is_an_error(forwarded_for, host):
    headers = {"x-forwarded-for": forwarded_for, "host": host, "origin": host}

    arrival = read_arrival(
        peer="10.0.0.1", scheme="http", headers=headers, http_version="1.1", trusted=PROXIES
    )

    assert not arrival.is_local


@given(st.ip_addresses())
def test_every_address_has_a_network_and_a_name_to_be_counted_under(address):
    assert network_of(str(address)).endswith(("/24", "/64"))
    assert limit_key(str(address)) != "unknown"


@pytest.mark.parametrize(
    ("text", "is_local"),
    [
        ("127.0.0.1", True),
        ("127.255.0.1", True),
        ("::1", True),
        ("::ffff:127.0.0.1", True),
        ("0.0.0.0", False),
        ("127.0.0.1.evil.test", False),
        ("localhost", False),
        ("", False),
    ],
)
def test_loopback_is_a_matter_of_addresses(text, is_local):
    assert is_loopback(text) is is_local


@pytest.mark.parametrize(
    ("host", "name"),
    [
        ("LocalHost:7655", "localhost"),
        ("[::1]:7655", "[::1]"),
        ("[::1]", "[::1]"),
        ("127.0.0.1", "127.0.0.1"),
        ("::1", ":"),
        ("localhost.", "localhost."),
        ("[::1].evil.test", "[::1].evil.test"),
        ("[::1]:7655.evil.test", "[::1]:7655.evil.test"),
        ("", ""),
    ],
)
def test_the_name_in_a_host_header(host, name):
    assert host_name(host) == name


def test_no_network_holds_anybody():
    assert not is_in("127.0.0.1", ())
    assert not is_in("not an address", PROXIES)


# --- Origins ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    [
        "null",
        "",
        "pulse.test",
        "//pulse.test",
        "ftp://pulse.test",
        "file://",
        "http://",
        "http://pulse.test/path",
        "http://pulse.test?x",
        "http://a@pulse.test",
        "http://pulse.test:99999",
        "http://[::1",
        "chrome-extension://abc",
    ],
)
def test_what_is_no_origin(text):
    assert parse_origin(text) is None


@pytest.mark.parametrize(
    ("origin", "scheme", "host", "is_ours"),
    [
        ("http://pulse.test", "http", "pulse.test", True),
        ("http://pulse.test:80", "http", "pulse.test", True),
        ("HTTP://PULSE.test", "http", "Pulse.Test", True),
        ("http://[::1]:7655", "http", "[::1]:7655", True),
        ("https://pulse.test", "https", "pulse.test", True),
        ("https://pulse.test", "http", "pulse.test", True),
        ("https://pulse.test:7655", "http", "pulse.test:7655", True),
        ("http://pulse.test", "https", "pulse.test", False),
        ("http://pulse.test:7655", "http", "pulse.test", False),
        ("http://pulse.test", "http", "pulse.test:7655", False),
        ("https://pulse.test:8443", "https", "pulse.test", False),
        ("http://a.pulse.test", "http", "pulse.test", False),
        ("http://pulse.test.", "http", "pulse.test", False),
        ("http://pulse.test", "http", "", False),
        ("null", "http", "null", False),
        ("http://a", "http", "a/../b", False),
    ],
)
def test_our_own_origin_is_scheme_host_and_port(origin, scheme, host, is_ours):
    assert is_own(origin, scheme=scheme, host=host) is is_ours


def test_a_star_allows_everybody_and_lists_nobody():
    assert is_allowed("https://anybody.test", ["*"])
    assert not is_listed("https://anybody.test", ["*"])


# --- System checks -------------------------------------------------------------------------------------------------


def test_settings_that_can_be_read_pass(settings):
    settings.PULSE_TRUSTED_PROXIES = list(PROXIES)
    settings.ALLOWED_ORIGINS = ["*", "https://panel.test:8443"]

    assert check_proxies(None) + check_origins(None) == []


def test_a_proxy_that_is_no_network_stops_the_start(settings):
    settings.PULSE_TRUSTED_PROXIES = ["proxy.lan"]

    assert [(found.id, found.level) for found in check_proxies(None)] == [("accounts.E001", checks.ERROR)]


def test_an_origin_that_no_browser_sends_stops_the_start(settings):
    settings.ALLOWED_ORIGINS = ["panel.test", "https://fine.test"]

    found = check_origins(None)

    assert [(check.id, check.msg) for check in found] == [
        ("accounts.E002", "ALLOWED_ORIGINS names no origin: panel.test")
    ]
