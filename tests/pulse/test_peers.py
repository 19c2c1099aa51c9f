"""pulse.lib.peers: whose is the other end of a loopback connection (README.md decision 1 of the contract)."""

from __future__ import annotations

import os
import pwd
import socket
import subprocess
import sys

import pytest

from pulse.lib import peers
from pulse.lib.peers import Ends, Peer, is_person, login_range, owner_of, peer_of, spelled_rows, uid_in

ENDS = Ends("127.0.0.1", 50000, "127.0.0.1", 7655)
#: As `/proc/net/tcp` prints a connection of a socket of uid 33 to port 7655, and both ends of another.
TABLE = b"""\
  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 0100007F:1DE7 00000000:0000 0A 00000000:00000000 00:00000000 00000000   999        0 21111 1 0 100 0 0 10 0
   1: 0100007F:1DE7 0100007F:C350 01 00000000:00000000 00:00000000 00000000   999        0 21112 1 0 20 4 30 10 -1
   2: 0100007F:C350 0100007F:1DE7 01 00000000:00000000 00:00000000 00000000    33        0 21113 1 0 20 4 30 10 -1
   3: 0100007F:C351 0100007F:1DE7 05 00000000:00000000 03:000017A2 00000000     0        0 0 3 0
"""


@pytest.fixture(autouse=True)
def nobody_is_remembered():
    """Every test asks the system itself."""
    peers._persons.clear()
    yield
    peers._persons.clear()


little_endian = pytest.mark.skipif(
    sys.byteorder != "little", reason="the table was printed by another machine"
)
only_linux = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="only Linux tells the owner")


@little_endian
def test_the_row_of_the_peer_names_its_owner_and_not_that_of_our_own_end():
    assert uid_in(TABLE.splitlines(), set(spelled_rows(ENDS))) == 33


@little_endian
def test_a_socket_that_its_process_has_closed_is_nobodys_though_the_kernel_says_root():
    orphan = ENDS._replace(peer_port=50001)

    assert uid_in(TABLE.splitlines(), set(spelled_rows(orphan))) is None


@little_endian
@pytest.mark.parametrize(
    "other",
    [
        ENDS._replace(peer_port=50002),
        ENDS._replace(own_port=7656),
        ENDS._replace(peer="127.0.0.2"),
        ENDS._replace(own="127.0.0.2"),
    ],
)
def test_the_row_of_another_connection_says_nothing(other):
    assert uid_in(TABLE.splitlines(), set(spelled_rows(other))) is None


@little_endian
def test_an_ipv4_peer_is_looked_for_among_ipv6_sockets_too():
    assert list(spelled_rows(ENDS)) == [
        (b"0100007F:C350", b"0100007F:1DE7"),
        (b"0000000000000000FFFF00000100007F:C350", b"0000000000000000FFFF00000100007F:1DE7"),
    ]
    assert list(spelled_rows(Ends("::1", 50000, "::1", 7655))) == [
        (b"00000000000000000000000001000000:C350", b"00000000000000000000000001000000:1DE7")
    ]


@only_linux
@pytest.mark.parametrize(
    ("listens", "connects"),
    [
        ("127.0.0.1", "127.0.0.1"),
        ("::1", "::1"),
        ("127.0.0.1", "::ffff:127.0.0.1"),
        ("::ffff:127.0.0.1",) * 2,
    ],
)
def test_the_system_is_asked_for_a_real_connection(listens, connects):
    family = socket.AF_INET6 if ":" in connects else socket.AF_INET
    with socket.socket(socket.AF_INET6 if ":" in listens else socket.AF_INET) as listener:
        listener.bind((listens, 0))
        listener.listen()
        with socket.socket(family) as client:
            client.connect((connects, listener.getsockname()[1]))
            accepted, peer = listener.accept()
            own = accepted.getsockname()
            accepted.close()
            ends = Ends(peer[0], peer[1], own[0], own[1])

            assert owner_of(ends) == os.getuid()
        assert owner_of(ends) is None


@only_linux
@pytest.mark.slow
@pytest.mark.parametrize(("user", "who"), [("nobody", Peer.SERVICE), ("root", Peer.PERSON)])
def test_a_peer_of_another_user_is_told_apart(user, who):
    if os.geteuid() != 0 and not os.environ.get("CI"):
        pytest.skip("only root can start a process of another user")
    code = "import socket, sys; s = socket.create_connection(('127.0.0.1', int(sys.argv[1]))); s.recv(1)"
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        client = subprocess.Popen(["/usr/bin/env", "python3", "-c", code, str(port)], user=user, cwd="/")
        accepted, peer = listener.accept()
        found = owner_of(Ends(*peer, "127.0.0.1", port)), peer_of(Ends(*peer, "127.0.0.1", port))
        accepted.close()
        client.wait(10)

    assert found == (pwd.getpwnam(user).pw_uid, who)


def test_where_the_system_does_not_tell_the_peer_may_be_anybody(monkeypatch, tmp_path):
    monkeypatch.setattr(peers, "TABLES", tmp_path)

    assert peer_of(ENDS) is Peer.PERSON


@only_linux
def test_where_it_tells_a_peer_without_a_row_has_gone():
    assert peer_of(Ends("127.0.0.1", 1, "127.0.0.1", 2)) is Peer.GONE


def test_a_person_is_believed_for_a_second_of_the_same_connection(monkeypatch):
    asked = []
    now = [100.0]
    monkeypatch.setattr(peers, "owner_of", lambda ends: asked.append(ends) or 0)
    monkeypatch.setattr(peers.time, "monotonic", lambda: now[0])
    other = ENDS._replace(peer_port=50001)

    assert [peer_of(ENDS), peer_of(ENDS), peer_of(other)] == [Peer.PERSON] * 3
    assert asked == [ENDS, other]
    now[0] = 101.5
    assert peer_of(ENDS) is Peer.PERSON
    assert asked == [ENDS, other, ENDS]


def test_a_service_is_asked_for_each_time(monkeypatch):
    monkeypatch.setattr(peers, "owner_of", lambda ends: 65534)

    assert [peer_of(ENDS), peer_of(ENDS)] == [Peer.SERVICE] * 2
    assert peers._persons == {}


@pytest.fixture
def accounts(monkeypatch, tmp_path):
    """People are numbered from 1000 to 1999 here, and have these shells."""
    shells = {1000: "/bin/bash", 1001: "/usr/sbin/nologin", 1002: "/bin/false", 1003: "", 999: "/bin/bash"}
    defs = tmp_path / "login.defs"
    defs.write_text("# UID_MIN 7\nUID_MIN\t\t 1000\nUID_MAX 1999\nUID_MAX_OTHER 5\nUMASK 022\nUID_MIN\n")

    def getpwuid(uid):
        return pwd.struct_passwd(("name", "x", uid, uid, "", "/", shells[uid]))

    monkeypatch.setattr(peers, "LOGIN_DEFS", defs)
    monkeypatch.setattr(peers.pwd, "getpwuid", getpwuid)
    monkeypatch.setattr(peers.os, "geteuid", lambda: 998)
    peers.is_login_user.cache_clear()
    yield
    peers.is_login_user.cache_clear()


@pytest.mark.usefixtures("accounts")
@pytest.mark.parametrize(
    ("uid", "is_one"),
    [
        pytest.param(0, True, id="root"),
        pytest.param(998, True, id="the user of Pulse"),
        pytest.param(1000, True, id="a login user"),
        pytest.param(1003, True, id="an empty shell is that of passwd(5): sh"),
        pytest.param(1001, False, id="nologin"),
        pytest.param(1002, False, id="false"),
        pytest.param(999, False, id="a service that has a shell"),
        pytest.param(33, False, id="www-data"),
        pytest.param(1337, False, id="nobody knows it: a neighbour in the same pod"),
        pytest.param(2000, False, id="beyond the people"),
        pytest.param(65534, False, id="nobody, or somebody of another user namespace"),
    ],
)
def test_who_is_a_person(uid, is_one):
    assert is_person(uid) is is_one


@pytest.mark.usefixtures("accounts")
def test_the_range_of_people_is_that_of_login_defs():
    assert login_range() == (1000, 1999)


def test_without_login_defs_the_range_is_that_of_its_manual(monkeypatch, tmp_path):
    monkeypatch.setattr(peers, "LOGIN_DEFS", tmp_path / "missing")

    assert login_range() == (1000, 60000)
