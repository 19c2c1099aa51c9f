"""Key files: made once, complete or not at all, and never trusted when others could have touched them."""

from __future__ import annotations

import os
import secrets
import stat
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from pulse.env import EnvError
from pulse.lib.keys import (
    ensure_key_file,
    ensure_private_file,
    ensure_secret_key,
    read_key_file,
    token_digest,
    weakness_of,
)


def test_a_key_file_is_made_with_mode_0600_in_a_directory_of_mode_0700(tmp_path):
    ensure_key_file(tmp_path / "data" / "some.key", lambda: "text")

    assert stat.S_IMODE((tmp_path / "data" / "some.key").stat().st_mode) == 0o600
    assert stat.S_IMODE((tmp_path / "data").stat().st_mode) == 0o700


def test_an_existing_key_is_kept(tmp_path):
    first = ensure_secret_key(tmp_path)

    assert ensure_secret_key(tmp_path) == first
    assert len(first) == 64


def test_of_many_processes_that_make_the_key_together_all_get_the_same(tmp_path):
    code = (
        "import pathlib, secrets, sys; from pulse.lib.keys import ensure_key_file\n"
        "sys.stdin.read()\n"
        "print(ensure_key_file(pathlib.Path(sys.argv[1]), lambda: secrets.token_hex(8)))"
    )
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", code, tmp_path / "some.key"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for _ in range(4)
    ]

    for process in processes:
        process.stdin.close()  # all of them were started: now they go on
    found = {process.stdout.read() for process in processes}
    for process in processes:
        process.stdout.close()
        process.wait()

    assert found == {(tmp_path / "some.key").read_text() + "\n"}


def test_of_many_threads_that_make_the_key_together_all_get_the_same(tmp_path):
    together = threading.Barrier(8)

    def make() -> str:
        together.wait()
        return secrets.token_hex(8)

    with ThreadPoolExecutor(8) as pool:
        made = [pool.submit(ensure_key_file, tmp_path / "some.key", make) for _ in range(8)]

    assert {future.result() for future in made} == {(tmp_path / "some.key").read_text()}
    assert [path.name for path in tmp_path.iterdir()] == ["some.key"]


def test_what_a_killed_process_of_the_same_number_left_is_no_obstacle(tmp_path, monkeypatch):
    monkeypatch.setattr(os, "getpid", lambda: 1)  # as in every container
    (tmp_path / ".some.key.1").write_text("half")

    assert ensure_key_file(tmp_path / "some.key", lambda: "text") == "text"


def test_nothing_is_left_beside_the_key(tmp_path):
    ensure_secret_key(tmp_path)

    assert [path.name for path in tmp_path.iterdir()] == ["secret.key"]


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o666])
def test_a_key_that_others_can_read_is_refused(tmp_path, mode, capfd):
    path = tmp_path / "some.key"
    path.write_text("text")
    path.chmod(mode)

    with pytest.raises(EnvError):
        read_key_file(path)

    assert "is open to others" in capfd.readouterr().err


def test_a_symbolic_link_is_refused(tmp_path, capfd):
    (tmp_path / "real").write_text("text")
    (tmp_path / "real").chmod(0o600)
    (tmp_path / "some.key").symlink_to(tmp_path / "real")

    with pytest.raises(EnvError):
        read_key_file(tmp_path / "some.key")

    assert "cannot be read" in capfd.readouterr().err


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file away")
def test_a_key_of_another_user_is_refused(tmp_path, monkeypatch):
    path = tmp_path / "some.key"
    path.write_text("text")
    path.chmod(0o600)
    os.chown(path, 12345, 12345)

    with pytest.raises(EnvError):
        read_key_file(path)


def test_a_directory_that_cannot_be_written_says_what_to_set(tmp_path, capfd):
    (tmp_path / "file").write_text("")

    with pytest.raises(EnvError) as refusal:
        ensure_key_file(tmp_path / "file" / "some.key", lambda: "text")

    assert refusal.value.code == 78
    assert "cannot be written (File exists); set PULSE_DATA_DIR" in capfd.readouterr().err


def test_a_token_is_kept_as_its_digest_and_no_token_as_nothing():
    assert token_digest("secret") == "2bb80d537b1da3e38bd30361aa855686bde0eacd7162fef6a25fe97bf527a25b"
    assert token_digest("") == ""


@pytest.mark.parametrize(
    ("secret", "weakness"),
    [
        ("", "is too short (it needs 32 characters or more)"),
        ("changeme", "is too short (it needs 32 characters or more)"),
        ("k7Qm2xV9tB4nZ1cL8sJ5dF3gH6rW0yP", "is too short (it needs 32 characters or more)"),
        ("changeme-k7Qm2xV9tB4nZ1cL8sJ5dF3g", "is one that others know, or stands for one"),
        ("secretk7Qm2xV9tB4nZ1cL8sJ5dF3gH6rW", "is one that others know, or stands for one"),
        ("django-insecure-x9$kq2m!v7c#t4z&w1p8", "is one that others know, or stands for one"),
        ("please-CHANGE-THIS-to-a-long-random-text", "is one that others know, or stands for one"),
        ("your_secret_here_k7Qm2xV9tB4nZ1cL8sJ", "is one that others know, or stands for one"),
        ("a" * 64, "repeats itself and can be guessed"),
        ("abacadab" * 5 + "x", "repeats itself and can be guessed"),
        ("k7Qm2xV9tB4n" * 3, "repeats itself and can be guessed"),
        ("abcdefghijklmnopqrstuvwxyz0246813579", "repeats itself and can be guessed"),
    ],
)
def test_a_secret_that_can_be_guessed_is_told(secret, weakness):
    assert weakness_of(secret) == weakness


@pytest.mark.parametrize("make", [lambda: secrets.token_hex(16), lambda: secrets.token_urlsafe(48)])
def test_random_secrets_are_taken(make):
    assert {weakness_of(make()) for _ in range(2000)} == {""}


def test_a_private_file_and_its_companions_are_closed_to_others(tmp_path):
    for name in ("some.sqlite3", "some.sqlite3-wal", "some.sqlite3-shm", "other"):
        (tmp_path / name).write_text(name)
        (tmp_path / name).chmod(0o644)

    ensure_private_file(tmp_path / "some.sqlite3")

    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in tmp_path.iterdir()}
    assert modes == {
        "some.sqlite3": 0o600,
        "some.sqlite3-wal": 0o600,
        "some.sqlite3-shm": 0o600,
        "other": 0o644,
    }
    assert (tmp_path / "some.sqlite3").read_text() == "some.sqlite3"


def test_a_private_file_is_made_in_a_directory_of_its_owners(tmp_path):
    ensure_private_file(tmp_path / "data" / "some.sqlite3")

    assert stat.S_IMODE((tmp_path / "data").stat().st_mode) == 0o700
    assert stat.S_IMODE((tmp_path / "data" / "some.sqlite3").stat().st_mode) == 0o600


def test_a_link_in_place_of_a_private_file_is_not_followed(tmp_path):
    (tmp_path / "target").touch(mode=0o644)
    (tmp_path / "some.sqlite3").symlink_to(tmp_path / "target")

    ensure_private_file(tmp_path / "some.sqlite3")

    assert stat.S_IMODE((tmp_path / "target").stat().st_mode) == 0o644
