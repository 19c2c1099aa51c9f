"""Two calls to a host at once, of which those in the background never take both."""

from __future__ import annotations

import threading
from collections.abc import Callable

import pytest

from nodes.proxmox.slots import Rank, Slots, in_background, slots_of

#: Long enough for a thread that has all it needs, on a busy machine.
PATIENCE_SECONDS = 10.0
AT_ONCE = 0.0


def taken(slots: Slots, *, seconds: float = AT_ONCE, behind: bool = False, last: bool = False) -> bool:
    """Return whether a slot could be taken; it is kept."""
    if not behind and not last:
        return slots.take(seconds)
    with in_background(Rank.LAST if last else Rank.BACKGROUND):
        return slots.take(seconds)


def returned(slots: Slots, *, behind: bool = False) -> None:
    """Give a slot back."""
    if not behind:
        slots.give_back()
        return
    with in_background():
        slots.give_back()


class Waiting:
    """A thread that wants a slot; `is_in` is set when it has one."""

    def __init__(
        self,
        slots: Slots,
        *,
        behind: bool = False,
        last: bool = False,
        told: Callable[[], None] = lambda: None,
    ):
        self.is_in = threading.Event()

        def want() -> None:
            if taken(slots, seconds=PATIENCE_SECONDS, behind=behind, last=last):
                told()
                self.is_in.set()

        self.thread = threading.Thread(target=want, daemon=True)
        self.thread.start()

    def comes_in(self) -> bool:
        """Return whether it gets its slot."""
        return self.is_in.wait(PATIENCE_SECONDS)


def until_waiting(slots: Slots, count: int) -> None:
    """Return when so many calls in front wait for a slot."""
    with slots._changed:
        assert slots._changed.wait_for(lambda: len(slots._waiting) == count, PATIENCE_SECONDS)


def test_two_calls_are_made_at_once_and_no_third() -> None:
    slots = Slots()

    assert [taken(slots), taken(slots), taken(slots)] == [True, True, False]


def test_a_slot_that_is_given_back_is_taken_by_the_one_that_waits() -> None:
    slots = Slots()
    taken(slots)
    taken(slots)
    third = Waiting(slots)
    until_waiting(slots, 1)

    returned(slots)

    assert third.comes_in()


def test_calls_in_the_background_are_made_one_at_a_time() -> None:
    slots = Slots()

    assert [taken(slots, behind=True), taken(slots, behind=True)] == [True, False]
    assert taken(slots)


def test_a_call_in_the_background_takes_the_second_slot_and_counts_as_one() -> None:
    slots = Slots()

    assert [taken(slots), taken(slots, behind=True), taken(slots)] == [True, True, False]


def test_those_in_front_come_first_whoever_has_waited_longer() -> None:
    slots = Slots()
    taken(slots)
    taken(slots)
    order: list[str] = []
    behind = Waiting(slots, behind=True, told=lambda: order.append("behind"))
    front = Waiting(slots, told=lambda: order.append("front"))
    until_waiting(slots, 1)

    returned(slots)
    assert front.comes_in()
    returned(slots)

    assert behind.comes_in()
    assert order == ["front", "behind"]


def test_a_call_of_the_last_rank_is_made_only_while_nothing_else_is_asked() -> None:
    slots = Slots()

    assert taken(slots, last=True)
    returned(slots, behind=True)
    assert taken(slots)
    assert not taken(slots, last=True)
    returned(slots)
    assert taken(slots, behind=True)
    assert not taken(slots, last=True)


def test_a_call_of_the_last_rank_holds_up_no_live_one() -> None:
    slots = Slots()
    taken(slots, last=True)

    assert taken(slots)


def test_who_is_in_the_background_comes_before_the_last_rank() -> None:
    slots = Slots()
    taken(slots, behind=True)
    order: list[str] = []
    last = Waiting(slots, last=True, told=lambda: order.append("last"))
    behind = Waiting(slots, behind=True, told=lambda: order.append("behind"))
    with slots._changed:
        assert slots._changed.wait_for(lambda: slots._waiting_behind == 1, PATIENCE_SECONDS)

    returned(slots, behind=True)
    assert behind.comes_in()
    returned(slots, behind=True)

    assert last.comes_in()
    assert order == ["behind", "last"]


def test_who_waits_in_front_comes_before_who_has_just_come() -> None:
    slots = Slots()
    taken(slots)
    taken(slots)
    first = Waiting(slots)
    until_waiting(slots, 1)

    with slots._changed:  # the one that waits cannot wake up before the other has asked
        returned(slots)
        assert taken(slots) is False

    assert first.comes_in()


def test_nobody_who_gave_up_stands_in_the_way() -> None:
    slots = Slots()
    taken(slots)
    taken(slots)
    assert taken(slots, seconds=0.01) is False

    returned(slots)

    assert taken(slots, behind=True)


@pytest.mark.parametrize(("url", "is_same"), [("https://pve1:8006", True), ("https://pve2:8006", False)])
def test_the_slots_of_an_address_are_shared_by_all_who_ask_it(url: str, is_same: bool) -> None:
    slots = slots_of("https://pve1:8006")

    assert (slots_of(url) is slots) is is_same
