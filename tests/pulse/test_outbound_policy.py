"""Which addresses may be called, in every spelling that reaches them."""

from __future__ import annotations

import ipaddress
import socket

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pulse.lib.outbound.errors import AddressRefused, OutboundError
from pulse.lib.outbound.places import Place, place_of
from pulse.lib.outbound.policy import AddressPolicy
from tests.pulse.outbound import ANY, PUBLIC, session

#: Hosts of a URL that lead to the metadata service of a cloud, or to a neighbour that nobody else can reach.
METADATA = [
    "169.254.169.254",
    "2852039166",
    "0xA9FEA9FE",
    "0xa9.0xfe.0xa9.0xfe",
    "0251.0376.0251.0376",
    "025177524776",
    "0xa9.254.0251.254",
    "169.254.43518",
    "169.16689662",
    "%31%36%39.254.169.254",
    "somebody@169.254.169.254",
    "somebody:secret@2852039166",
    "[::ffff:169.254.169.254]",
    "[::ffff:a9fe:a9fe]",
    "[0:0:0:0:0:FFFF:A9FE:A9FE]",
    "[::169.254.169.254]",
    "[::a9fe:a9fe]",
    "[::ffff:0:a9fe:a9fe]",
    "[64:ff9b::169.254.169.254]",
    "[64:ff9b::a9fe:a9fe]",
    "[64:ff9b:1::a9fe:a9fe]",
    "[64:ff9b:1:fffe::169.254.169.254]",
    "[64:ff9b:1:a9fe:a9:fe00::]",
    "[2002:a9fe:a9fe::]",
    "[2002:a9fe:a9fe:1::7]",
    "[2001:0:a9fe:a9fe::]",
    "[2001:0:102:304:8000:0:5601:5601]",
    "[2001:db8::5efe:169.254.169.254]",
    "[2001:db8::200:5efe:a9fe:a9fe]",
    "169.254.0.1",
    "169.254.170.2",
    "169.254.42.42",
    "[fe80::1]",
    "[fe80::a9fe:a9fe%25eth0]",
    "[fe80::1%25lo]",
    "[febf::1]",
    "[fd00:ec2::254]",
    "[FD00:0EC2:0:0:0:0:0:254]",
    "[fd00:ec2::23]",
    "[fd20:ce::254]",
    "[fd00:42::42]",
    "168.63.129.16",
    "2822734096",
    "[::ffff:168.63.129.16]",
    "[64:ff9b::a83f:8110]",
    "100.100.100.200",
    "0x646464c8",
    "[::ffff:100.100.100.200]",
    "192.0.0.192",
    "[2002:c000:c0::1]",
]
GROUPS = [
    "224.0.0.1",
    "[ff02::1]",
    "0.0.0.0",
    "0",
    "[::]",
    "255.255.255.255",
    "[::ffff:0.0.0.0]",
    "[::ffff:224.0.0.1]",
]
#: This machine.
LOOPBACK = [
    "127.0.0.1",
    "127.1",
    "2130706433",
    "0x7f.1",
    "0177.0.0.1",
    "127.255.255.254",
    "[::1]",
    "[::ffff:127.0.0.1]",
    "[::127.0.0.1]",
    "[64:ff9b::7f00:1]",
    "[2002:7f00:1::]",
    "[::ffff:0:127.0.0.1]",
]
#: What the internet does not route.
PRIVATE = [
    "10.0.0.1",
    "172.16.0.1",
    "192.168.1.1",
    "192.0.2.1",
    "100.64.0.1",
    "198.18.0.1",
    "240.0.0.1",
    "0xc0a80101",
    "[fc00::1]",
    "[fd12:3456::1]",
    "[fec0::1]",
    "[2001:db8::1]",
    "[4000::1]",
    "[::ffff:10.0.0.1]",
    "[::10.0.0.1]",
    "[64:ff9b::10.0.0.1]",
    "[2002:a00:1::]",
    "[2a00::5efe:10.0.0.1]",
]
PUBLIC_ADDRESSES = ["9.9.9.9", "2620:fe::fe", "::ffff:9.9.9.9", "64:ff9b::909:909", "2002:909:909::1"]


@pytest.fixture(autouse=True)
def no_connection(monkeypatch: pytest.MonkeyPatch) -> None:
    """A connection that is tried all the same goes nowhere, and fails the test."""

    def connect(address: tuple[object, ...], *_: object, **__: object) -> None:
        raise AssertionError(f"connects to {address}")

    monkeypatch.setattr("urllib3.util.connection.create_connection", connect)


@pytest.mark.parametrize("host", METADATA)
@pytest.mark.parametrize("policy", [ANY, PUBLIC], ids=["any", "public"])
def test_no_spelling_of_a_metadata_address_is_called_by_anybody(host: str, policy: AddressPolicy) -> None:
    with pytest.raises(AddressRefused, match="is a link-local or metadata address"):
        session(policy).get(f"http://{host}/latest/meta-data/", timeout=5)


@pytest.mark.parametrize("host", GROUPS)
@pytest.mark.parametrize("policy", [ANY, PUBLIC], ids=["any", "public"])
def test_what_is_not_one_host_is_called_by_nobody(host: str, policy: AddressPolicy) -> None:
    with pytest.raises(AddressRefused, match="is not the address of one host"):
        session(policy).get(f"http://{host}/", timeout=5)


@pytest.mark.parametrize("allows_private", [True, False])
@pytest.mark.parametrize("host", LOOPBACK)
def test_this_machine_is_called_only_where_the_caller_allows_it(host: str, allows_private: bool) -> None:
    policy = AddressPolicy(allows_loopback=False, allows_private=allows_private)

    with pytest.raises(AddressRefused):
        session(policy).get(f"http://{host}/", timeout=5)
    with pytest.raises(AssertionError, match="connects to"):
        session(ANY).get(f"http://{host}/", timeout=5)


@pytest.mark.parametrize("allows_loopback", [True, False])
@pytest.mark.parametrize("host", PRIVATE)
def test_a_private_address_is_called_only_where_the_caller_allows_it(
    host: str, allows_loopback: bool
) -> None:
    policy = AddressPolicy(allows_loopback=allows_loopback, allows_private=False)

    with pytest.raises(AddressRefused, match="is not a public address"):
        session(policy).get(f"http://{host}/", timeout=5)
    with pytest.raises(AssertionError, match="connects to"):
        session(ANY).get(f"http://{host}/", timeout=5)


@pytest.mark.parametrize("address", PUBLIC_ADDRESSES)
def test_a_public_address_is_allowed_to_everybody(address: str) -> None:
    assert PUBLIC.refusal_of(ipaddress.ip_address(address)) == ""


def test_a_translated_address_without_a_rest_is_no_empty_one() -> None:
    assert ANY.refusal_of(ipaddress.ip_address("64:ff9b:1:909:9:900::")) == ""


@pytest.mark.parametrize(
    "host",
    [
        "169.254.169.254.",
        "169。254。169。254",
        "①⑥⑨.②⑤④.①⑥⑨.②⑤④",
        "[::ffff:169.254.169.254",
        "169.254.169.254%00",
    ],
)
def test_what_is_no_host_for_the_system_is_none_for_us(host: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown(*_: object, **__: object) -> list[object]:
        raise socket.gaierror(socket.EAI_NONAME, "no")

    monkeypatch.setattr("socket.getaddrinfo", unknown)

    with pytest.raises(OutboundError):
        session().get(f"http://{host}/", timeout=5)


@given(st.ip_addresses(), st.booleans(), st.booleans())
def test_every_address_is_judged_and_a_stricter_caller_is_never_allowed_more(
    address: ipaddress.IPv4Address | ipaddress.IPv6Address, allows_loopback: bool, allows_private: bool
) -> None:
    policy = AddressPolicy(allows_loopback=allows_loopback, allows_private=allows_private)

    if ANY.refusal_of(address):
        assert policy.refusal_of(address)
    if not PUBLIC.refusal_of(address):
        assert policy.refusal_of(address) == ""


@given(st.ip_addresses(v=4))
def test_an_address_inside_another_one_is_judged_as_itself(inner: ipaddress.IPv4Address) -> None:
    outer = ipaddress.ip_address(int(ipaddress.ip_address("64:ff9b::")) | int(inner))

    assert PUBLIC.refusal_of(outer) == PUBLIC.refusal_of(inner)


@pytest.mark.parametrize(
    ("url", "place", "spelled"),
    [
        ("https://pve1.lab:8006", Place("https", "pve1.lab", 8006), "pve1.lab:8006"),
        ("https://pve1.lab/path?q", Place("https", "pve1.lab", 443), "pve1.lab:443"),
        ("http://[2001:db8::1]/", Place("http", "2001:db8::1", 80), "[2001:db8::1]:80"),
        ("http://user@[::1]:81/", Place("http", "::1", 81), "[::1]:81"),
    ],
)
def test_a_url_leads_to_one_place(url: str, place: Place, spelled: str) -> None:
    assert place_of(url) == place
    assert str(place) == spelled
