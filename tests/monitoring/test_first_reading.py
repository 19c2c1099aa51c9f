"""How fast everything is read for the first time: a small installation at once, a large one without asking thousands of times a minute."""

from __future__ import annotations

import pytest

from monitoring.known.lanes import Lane
from tests.factories import make_instance
from tests.fake_proxmox import PveSpec
from tests.fake_proxmox.fixtures import virtual_estate
from tests.monitoring.collected import facts_of, forget_time, turn, with_token

pytestmark = [pytest.mark.django_db, pytest.mark.slow]

SPEC = PveSpec(name="lab", nodes=1, guests=80, agents=0, version="9.2")


@pytest.fixture
def lab(watch):
    with virtual_estate(SPEC, seed=7) as estate:
        site = estate.site("lab")
        watched = with_token(watch(site), site)
        watched.server = estate
        yield watched


@pytest.mark.parametrize(("others", "told"), [(0, 60), (3, 25), (9, 10), (39, 10)])
def test_clusters_share_what_is_asked_of_guests_for_the_first_time(lab, others, told):
    for number in range(others):
        make_instance("pve", name=f"other-{number}", host=f"https://192.0.2.{number + 1}:8006")
    turn(lab, times=2)  # what is not of guests was read then
    before = asked_of_guests(lab)

    turn(lab)

    assert told - 5 <= asked_of_guests(lab) - before <= told


def asked_of_guests(lab):
    """How many questions about guests were ever asked."""
    return sum(
        len(subjects)
        for lane, subjects in facts_of(lab).progress.items()
        if lane in (Lane.GUEST_CONFIGURATION, Lane.GUEST_SNAPSHOTS, Lane.CONTAINER_ADDRESSES)
    )


def test_a_guest_whose_configuration_tells_of_no_snapshot_is_asked_for_them_four_times_a_day(lab):
    with_snapshots = {vmid for vmid, known in read_once(lab).items() if known.config.has_snapshots}

    again = lab_asks_within(lab, hours=2)

    assert 5 < len(with_snapshots) < 75
    assert with_snapshots <= again
    assert len(again - with_snapshots) < (80 - len(with_snapshots)) / 2


def test_a_snapshot_that_the_configuration_tells_of_is_looked_for_soon(lab):
    known = read_once(lab)
    vmid = next(vmid for vmid, one in sorted(known.items()) if not one.config.has_snapshots)
    lab.server.site("lab").add_snapshot(vmid, "before-upgrade")
    forget_time(lab, Lane.GUEST_CONFIGURATION.group)

    turn(lab, times=6)

    assert [one.name for one in facts_of(lab).guest(vmid).snapshots] == ["before-upgrade"]


def read_once(lab):
    """What is known of the guests after everything was read once."""
    turn(lab, times=8)
    known = facts_of(lab).guests
    assert all(one.config_epoch and one.snapshots_epoch for one in known.values())
    return known


def lab_asks_within(lab, *, hours):
    """The guests whose snapshots were read again within some hours."""
    before = {vmid: one.snapshots_epoch for vmid, one in facts_of(lab).guests.items()}
    turn(lab, after=120, times=hours * 30)
    return {vmid for vmid, one in facts_of(lab).guests.items() if one.snapshots_epoch > before[vmid]}
