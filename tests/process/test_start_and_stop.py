"""Start and stop of `pulse run`: exit codes, clear sentences, nothing left behind."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import socket
import sqlite3
import stat
import subprocess
from pathlib import Path

import pytest
import websockets
from websockets.exceptions import ConnectionClosed

from tests.process.running import PulseProcess, until

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("processes")]


@pytest.fixture
def data_dir(tmp_path) -> Path:
    return tmp_path / "data"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT], ids=["SIGTERM", "SIGINT"])
def test_a_signal_ends_it_with_0_at_once(data_dir, number):
    with PulseProcess(data_dir) as pulse:
        pulse.healthy()

        code, seconds = pulse.end(number)

    assert code == 0
    assert seconds < 2
    assert "Traceback" not in pulse.log


def test_a_signal_during_the_start_ends_it_with_0(data_dir):
    with PulseProcess(data_dir) as pulse:
        until((data_dir / "pulse.lock").exists, seconds=20, what="the start has begun")

        code, _ = pulse.end()

    assert code == 0


def test_it_starts_quickly_once_its_tables_exist(data_dir):
    with PulseProcess(data_dir) as first:
        first.healthy()
        first.end()

    with PulseProcess(data_dir) as second:
        seconds = second.healthy()

    # 0.9 s alone on the reference machine; tests share it with others.
    assert seconds < 5


def test_it_says_where_it_is_for_whom_and_how_to_claim_it(data_dir):
    with PulseProcess(data_dir) as pulse:
        pulse.healthy()

        assert f"http://127.0.0.1:{pulse.port}/" in pulse.log
        assert "this machine only" in pulse.log
        assert "claim-code" in pulse.log
        assert str(data_dir) in pulse.log


def test_a_fresh_install_listens_on_this_machine_only(data_dir):
    with PulseProcess(data_dir) as pulse:
        pulse.healthy()

        assert listening_addresses(pulse.port) == {"127.0.0.1"}


def test_with_a_token_it_listens_on_every_address(data_dir):
    with PulseProcess(data_dir, API_TOKEN="a-token-of-more-than-twenty-characters") as pulse:
        pulse.healthy()

        assert listening_addresses(pulse.port) == {"0.0.0.0"}


def listening_addresses(port: int) -> set[str]:
    """Return the IPv4 addresses on which somebody listens at the port."""
    lines = Path("/proc/net/tcp").read_text().splitlines()[1:]
    found = set()
    for line in lines:
        _, local, _, state, *_ = line.split()
        address, _, number = local.partition(":")
        if state == "0A" and int(number, 16) == port:
            found.add(socket.inet_ntoa(bytes.fromhex(address)[::-1]))
    return found


def test_a_taken_port_is_told_before_anything_starts(data_dir):
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]

        with PulseProcess(data_dir, port=port) as pulse:
            code = pulse.wait_for_exit()

    assert code == 1
    assert f"pulse: cannot listen on 127.0.0.1 port {port} (Address already in use)" in pulse.log
    assert "Traceback" not in pulse.log
    assert not (data_dir / "pulse.sqlite3").exists()


def test_a_second_process_on_the_directory_is_told_who_has_it(data_dir):
    with PulseProcess(data_dir) as first:
        first.healthy()

        with PulseProcess(data_dir) as second:
            code = second.wait_for_exit()

        assert code == 1
        assert (
            f"pulse: process {first.process.pid} already runs on the data directory {data_dir}" in second.log
        )
        assert first.answers()


@pytest.mark.parametrize(
    ("variables", "message"),
    [
        pytest.param(
            {"POLLING_INTERVAL": "soon"}, "POLLING_INTERVAL must be a whole number", id="a word for a number"
        ),
        pytest.param({"SECRET_KEY": "changeme"}, "SECRET_KEY is too short", id="a guessable key"),
        pytest.param(
            {"SECRET_KEY": "django-insecure-x9$kq2m!v7c#t4z&w1p8"},
            "SECRET_KEY is one that others know",
            id="a key of an example",
        ),
        pytest.param({"PULSE_AUTH": "maybe"}, "PULSE_AUTH must be one of", id="an unknown choice"),
        pytest.param(
            {"PULSE_REDIS_URL": "redis://127.0.0.1:1"}, "unset them for `pulse run`", id="half of scale-out"
        ),
    ],
)
def test_a_wrong_setting_is_told_in_one_sentence_with_78(data_dir, variables, message):
    with PulseProcess(data_dir, **variables) as pulse:
        code = pulse.wait_for_exit()

    assert code == 78
    assert message in pulse.log
    assert pulse.log.startswith("pulse: ")
    assert len(pulse.log.strip().splitlines()) == 1


def test_a_secret_key_that_is_the_encryption_key_is_told_with_78(data_dir):
    data_dir.mkdir(mode=0o700)
    key = "q9V2mZ7xT4cB1nL8sK5dF3gH6jR0wYpUeAiOoXyWvQk"
    (data_dir / "encryption.key").touch(mode=0o600)
    (data_dir / "encryption.key").write_text(f"0a1b2c3d {key}\n")

    with PulseProcess(data_dir, SECRET_KEY=key) as pulse:
        code = pulse.wait_for_exit()

    assert code == 78
    assert "SECRET_KEY is the same as a key of" in pulse.log
    assert key not in pulse.log


def test_a_directory_that_cannot_be_written_is_told_in_one_sentence_with_78(tmp_path):
    (tmp_path / "file").write_text("")

    with PulseProcess(tmp_path / "file" / "data", log_dir=tmp_path) as pulse:
        code = pulse.wait_for_exit()

    assert code == 78
    assert "cannot be written (Not a directory); set PULSE_DATA_DIR" in pulse.log
    assert len(pulse.log.strip().splitlines()) == 1


def test_the_data_directory_is_for_its_owner_only(data_dir):
    with PulseProcess(data_dir) as pulse:
        pulse.healthy()

        assert stat.S_IMODE(data_dir.stat().st_mode) == 0o700
        keys = [path for path in data_dir.iterdir() if path.suffix == ".key"]
        assert {path.name for path in keys} == {"secret.key", "encryption.key"}
        assert {stat.S_IMODE(path.stat().st_mode) for path in keys} == {0o600}


def test_every_file_is_for_its_owner_only_whatever_the_umask_and_the_directory(data_dir):
    data_dir.mkdir()
    data_dir.chmod(0o777)
    (data_dir / "pulse.lock").touch()
    (data_dir / "pulse.lock").chmod(0o666)
    before = os.umask(0)
    try:
        pulse = PulseProcess(data_dir, SECRET_KEY="k7Qm2xV9tB4nZ1cL8sJ5dF3gH6rW0yPu")
    finally:
        os.umask(before)
    with pulse:
        pulse.healthy()
        modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in data_dir.iterdir()}

    assert {"pulse.sqlite3", "pulse.sqlite3-wal", "pulse.sqlite3-shm", "pulse.lock"} <= set(modes)
    assert set(modes.values()) == {0o600}, modes


def test_files_of_an_earlier_version_are_closed_to_others(data_dir):
    with PulseProcess(data_dir) as first:
        first.healthy()
        first.kill()
    names = ("pulse.sqlite3", "pulse.sqlite3-wal", "pulse.sqlite3-shm")
    for name in names:
        (data_dir / name).chmod(0o644)

    with PulseProcess(data_dir) as second:
        second.healthy()
        modes = {stat.S_IMODE((data_dir / name).stat().st_mode) for name in names}

    assert modes == {0o600}


def test_an_emptied_database_beside_the_keys_of_a_former_one_is_told_and_serves_nobody(data_dir):
    with PulseProcess(data_dir) as first:
        first.healthy()
        assert first.request("GET", "/api/state")[0] == 200
        first.end()
    (data_dir / "pulse.sqlite3").write_bytes(b"")

    told = f"{data_dir / 'encryption.key'} is the key of a former one"
    for is_told in (True, False):  # once; what follows from it is not forgotten by the next start
        with PulseProcess(data_dir) as later:
            later.healthy()
            assert later.request("GET", "/api/state")[0] == 401
            assert b"the keys of a former database were found" in later.request("GET", "/setup")[1]
            assert "nobody until it is claimed" in later.log
            assert (told in later.log) is is_told
            later.end()


def test_a_database_of_a_newer_version_is_left_alone(data_dir):
    with PulseProcess(data_dir) as first:
        first.healthy()
        first.end()
    with contextlib.closing(sqlite3.connect(data_dir / "pulse.sqlite3")) as database:
        database.execute(
            "INSERT INTO django_migrations (app, name, applied) VALUES ('nodes', '9999_future', '2027-01-01')"
        )
        database.commit()

    with PulseProcess(data_dir) as second:
        code = second.wait_for_exit()

    assert code == 78
    assert "the database was written by a newer version of Pulse (it has nodes.9999_future)" in second.log


def test_a_file_that_is_no_database_is_told_without_a_traceback(data_dir):
    data_dir.mkdir(mode=0o700)
    (data_dir / "pulse.sqlite3").write_bytes(b"this is not a database" * 100)

    with PulseProcess(data_dir) as pulse:
        code = pulse.wait_for_exit()

    assert code == 1
    assert "pulse: the database cannot be used: file is not a database" in pulse.log
    assert "Traceback" not in pulse.log


def test_a_lost_key_stops_the_start_instead_of_making_a_new_one(data_dir):
    with PulseProcess(data_dir) as first:
        first.healthy()
        add_instance(first)
        first.end()
    (data_dir / "encryption.key").unlink()

    with PulseProcess(data_dir) as second:
        code = second.wait_for_exit()

    assert code == 78
    assert "restore it from a backup" in second.log
    assert not (data_dir / "encryption.key").exists()


def add_instance(pulse: PulseProcess, url: str = "https://127.0.0.1:1024") -> None:
    """Add an instance that does not answer."""
    body = {
        "type": "pve",
        "name": "lab",
        "host": url,
        "tokenName": "pulse@pve!monitor",
        "tokenValue": "CANARY-token",
    }
    status, answer = pulse.request("POST", "/api/config/nodes", body)
    assert status == 201, answer


def test_an_open_websocket_is_closed_with_1012(data_dir):
    async def watch(pulse: PulseProcess) -> int:
        async with websockets.connect(f"ws://127.0.0.1:{pulse.port}/ws", max_size=None) as socket:
            await socket.recv()
            pulse.process.send_signal(signal.SIGTERM)
            with contextlib.suppress(ConnectionClosed):
                while True:
                    await socket.recv()
            return socket.close_code

    with PulseProcess(data_dir) as pulse:
        pulse.healthy()

        close_code = asyncio.run(watch(pulse))

        assert pulse.wait_for_exit(seconds=5) == 0
    assert close_code == 1012


def test_it_ends_within_five_seconds_while_a_host_hangs(data_dir):
    with (
        socket.create_server(("127.0.0.1", 0)) as silent,
        PulseProcess(data_dir, CONNECTION_TIMEOUT="60") as pulse,
    ):
        pulse.healthy()
        add_instance_in_background(pulse, f"https://127.0.0.1:{silent.getsockname()[1]}")
        held, _ = silent.accept()

        with held:
            code, seconds = pulse.end()

    assert code == 0
    assert seconds < 5


def add_instance_in_background(pulse: PulseProcess, url: str) -> None:
    """Ask for an instance whose host never answers, and do not wait for the answer."""
    pulse.allow_loopback()
    body = b'{"type":"pve","name":"hung","host":"%s","tokenName":"a@pve!b","tokenValue":"c"}' % url.encode()
    head = b"POST /api/config/nodes HTTP/1.1\r\nHost: 127.0.0.1:%d\r\nContent-Length: %d\r\n\r\n"
    connection = socket.create_connection(("127.0.0.1", pulse.port))
    connection.sendall(head % (pulse.port, len(body)) + body)
    connection.detach()


def test_a_client_that_stops_reading_does_not_delay_the_end(data_dir):
    with PulseProcess(data_dir) as pulse:
        pulse.healthy()
        with socket.create_connection(("127.0.0.1", pulse.port)) as stalled:
            stalled.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            stalled.sendall(b"GET /api/state HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n" * 50)
            until(pulse.answers, seconds=10, what="others are served")

            code, seconds = pulse.end()

    assert code == 0
    assert seconds < 5


def test_killed_it_starts_again_on_the_same_directory(data_dir):
    with PulseProcess(data_dir) as first:
        first.healthy()
        first.kill()

    with PulseProcess(data_dir) as second:
        second.healthy()

        assert second.log.count("already runs") == 0


def test_the_token_of_the_environment_is_in_no_log_and_no_command_line(data_dir):
    token = "CANARY-token-of-more-than-twenty-characters"
    with PulseProcess(data_dir, API_TOKEN=token, LOG_LEVEL="debug") as pulse:
        pulse.healthy()
        assert pulse.request("GET", "/api/config/nodes", token=token)[0] == 200

        command_line = Path(f"/proc/{pulse.process.pid}/cmdline").read_bytes()
        pulse.end()

    assert token not in pulse.log
    assert token.encode() not in command_line
    assert token.encode() not in (data_dir / "pulse.sqlite3").read_bytes()


@pytest.mark.skipif(os.geteuid() != 0, reason="mounting a small file system needs root")
def test_a_full_disk_is_told_in_one_sentence(tmp_path):
    data_dir = tmp_path / "data"
    data_dir.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=64k,mode=700", "tmpfs", data_dir], capture_output=True
    )
    if mounted.returncode != 0:
        pytest.skip("this machine does not let us mount a file system")
    try:
        with PulseProcess(data_dir) as pulse:
            code = pulse.wait_for_exit()
    finally:
        subprocess.run(["umount", data_dir], check=True)

    assert code == 1
    assert "full" in pulse.log or "No space left" in pulse.log
    assert "Traceback" not in pulse.log
