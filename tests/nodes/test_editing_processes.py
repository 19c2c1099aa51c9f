"""Adding instances from several processes at once, and from one that is killed: real processes, one SQLite file."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

ROOT = Path(__file__).resolve().parents[2]
CANARY = "canary-secret-of-a-token"

#: Nothing listens at this port: the host is silent, and that is told at once.
ADD = f"""
import os, sys
os.environ["DJANGO_SETTINGS_MODULE"] = "pulse.settings"
import django
django.setup()
from django.utils import timezone
from nodes import clusters, editing
from nodes.drafts import Draft
draft = Draft(kind="pve", host="https://127.0.0.1:1024", token_id="pulse@pam!pulse", token_value="{CANARY}")
print("ready", flush=True)
sys.stdin.readline()
"""

ADD_AND_TELL = f"{ADD}print(editing.add(draft, at=timezone.now()).outcome, flush=True)"

#: Ends in the middle of the transaction, after the row was written.
ADD_AND_DIE = f"""{ADD}
def die(*args, **options):
    os.kill(os.getpid(), 9)
editing.feed.broadcast = die
editing.add(draft, at=timezone.now())
"""


@pytest.fixture
def data_dir(tmp_path):
    """A data directory with an up-to-date database, where hosts may be on this machine."""
    for command in (["migrate", "--verbosity", "0"], ["instance", "allow-loopback"]):
        subprocess.run(
            [sys.executable, "manage.py", *command],
            cwd=ROOT,
            env=environment(tmp_path),
            check=True,
            capture_output=True,
        )
    return tmp_path


def environment(data_dir):
    return {"PATH": os.environ["PATH"], "PULSE_DATA_DIR": str(data_dir)}


def begun(script, data_dir):
    """A process that has loaded everything and waits for a line."""
    process = subprocess.Popen(
        [sys.executable, "-c", script],
        cwd=ROOT,
        env=environment(data_dir),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout.readline() == "ready\n"
    return process


def released(processes):
    """What each process prints after all of them were let go at once."""
    for process in processes:
        process.stdin.write("go\n")
        process.stdin.flush()
    return [process.communicate(timeout=60)[0].strip() for process in processes]


def rows(data_dir, query):
    connection = sqlite3.connect(data_dir / "pulse.sqlite3")
    try:
        return connection.execute(query).fetchall()
    finally:
        connection.close()


def test_the_same_host_added_by_three_processes_at_once_is_one_instance(data_dir):
    outcomes = released([begun(ADD_AND_TELL, data_dir) for _ in range(3)])

    assert sorted(outcomes) == ["added", "updated", "updated"]
    assert rows(data_dir, "select kind, number, name, version from nodes_instance") == [
        ("pve", 0, "127.0.0.1", 3)
    ]


def test_a_process_killed_while_adding_leaves_nothing_and_the_next_one_adds(data_dir):
    killed = begun(ADD_AND_DIE, data_dir)
    released([killed])

    assert killed.returncode == -signal.SIGKILL
    assert rows(data_dir, "select count(*) from nodes_instance") == [(0,)]
    assert released([begun(ADD_AND_TELL, data_dir)]) == ["added"]
    assert rows(data_dir, "select number from nodes_instance") == [(0,)]


def test_no_file_of_the_data_directory_holds_a_secret_in_clear(data_dir):
    released([begun(ADD_AND_TELL, data_dir)])

    holders = [
        path.name for path in data_dir.rglob("*") if path.is_file() and CANARY.encode() in path.read_bytes()
    ]

    assert rows(data_dir, "select count(*) from nodes_instance") == [(1,)]
    assert holders == []
