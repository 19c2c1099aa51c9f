"""A case of the field, played to a fresh installation.

    played = case("19")  # its hosts answer, and are added
    played.is_read()  # time goes by: polls, slow lanes and judgements, until everything is read that it is about
    assert played.state("/vms[name=mail]/backupState") == ["overdue"]  # what is right, as literals
    played.is_right()  # its own expect.json holds, and goes on to

It begins at noon; nobody waits: its clock is that of the test. Seconds before the beginning are `case.start - 21600`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest
import time_machine
from django.test import Client

from tests.accounts.fixtures import LOCAL
from tests.conftest import NOON
from tests.field.playing import FOLDER, Case, player
from tests.ports import own_port


@pytest.fixture
def case(db, fresh_store, settings) -> Iterator[Callable[[str], Case]]:
    """`case("19")` begins the case whose folder begins so, at noon; its clock stands still between the turns."""
    replay = player("replay")
    settings.POLLING_INTERVAL_SECONDS = 5
    with ExitStack() as stack:

        def begin(number: str) -> Case:
            folder = replay.case_called(number, FOLDER)
            clock = stack.enter_context(time_machine.travel(NOON, tick=False))
            estate = stack.enter_context(replay.Estate(folder, port=own_port()))
            return Case(folder, estate, Client(**LOCAL), clock)

        yield begin
