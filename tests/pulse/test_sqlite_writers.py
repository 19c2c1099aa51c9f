"""Threads that write to the SQLite file at once wait for each other for a moment, and none is turned away."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from pulse.lib.sqlite3.turns import Turns
from tests.process.running import until

ROOT = Path(__file__).resolve().parents[2]
#: Each thread reads, then writes what follows from it, as two who add an instance at once do. One process has them all:
#: a data directory has no other. It prints how long each write took, what went wrong, and the number that came of it.
WRITERS = """
import json, threading, time
import django; django.setup()
from django.core.management import call_command
call_command("migrate", verbosity=0, interactive=False, skip_checks=True)
from django.db import transaction
from nodes.models import InstanceCounter
InstanceCounter.objects.create(kind="written")
waits, errors = [], []
def write():
    try:
        for _ in range(1000):
            begun = time.monotonic()
            with transaction.atomic():
                counter = InstanceCounter.objects.get(kind="written")
                counter.next_number += 1
                counter.save()
            waits.append(time.monotonic() - begun)
    except Exception as error:
        errors.append(repr(error))
threads = [threading.Thread(target=write) for _ in range(8)]
for thread in threads: thread.start()
for thread in threads: thread.join()
print(json.dumps([waits, errors, InstanceCounter.objects.get(kind="written").next_number]))
"""


def test_a_turn_is_handed_on_in_the_order_in_which_it_was_asked_for():
    turns, order = Turns(), []
    turns.take(0)
    waiters = [threading.Thread(target=lambda n=n: turns.take(10) and order.append(n)) for n in range(3)]
    for number, waiter in enumerate(waiters, start=1):
        waiter.start()
        until(lambda wanted=number: len(turns._waiting) == wanted, seconds=10, what="one more waits")

    for number in range(3):
        turns.give_back()
        until(lambda wanted=number + 1: len(order) == wanted, seconds=10, what="the next has its turn")

    assert order == [0, 1, 2]


def test_whoever_gives_up_waiting_takes_no_turn_from_the_others():
    turns = Turns()
    turns.take(0)

    given_up = turns.take(0)
    turns.give_back()

    assert not given_up
    assert turns.take(0)


@pytest.mark.slow
@pytest.mark.timeout(240)
def test_eight_threads_write_a_thousand_times_each_and_none_meets_a_lock(tmp_path):
    environment = os.environ | {"PULSE_DATA_DIR": str(tmp_path), "DJANGO_SETTINGS_MODULE": "pulse.settings"}
    written = subprocess.run(
        [sys.executable, "-c", WRITERS],
        cwd=ROOT,
        env=environment,
        check=True,
        capture_output=True,
        timeout=200,
    )

    waits, errors, number = json.loads(written.stdout)

    assert errors == []
    assert number == len(waits) == 8000
    assert sorted(waits)[7920] < 0.25  # 99 of 100
