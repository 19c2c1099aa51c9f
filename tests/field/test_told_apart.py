"""What a field means for this kind of object, at the end of its scale, and against what else was told."""

from __future__ import annotations

import pytest

pytestmark = pytest.mark.slow


def test_votes_that_contradict_the_quorum_are_not_told(case):
    played = case("20")

    played.is_read()

    assert played.details("nodes", "n1", "/quorumDetail/presentVotes") == [1]
    assert played.details("nodes", "n1", "/quorumDetail/neededVotes") == [None]
    played.is_right()


def test_a_disk_beyond_its_life_has_none_left(case):
    played = case("22")

    played.is_read()

    assert played.state("/concerns[level=critical]/text") == [
        "Disk /dev/nvme0n1 is worn: 0 % of its life left"
    ]
    played.is_right()


def test_the_cache_of_an_object_store_does_not_fill_up(case):
    played = case("24")

    played.is_read()

    assert played.state("/concerns/*/text") == []
    assert played.state("/pbs[name=s3box]/datastores[name=cloud]/fullAt") == []
    played.is_right()


def test_machines_that_stand_still_by_accident_are_told(case):
    played = case("29")

    played.is_read()

    assert played.state("/concerns/*/text") == [
        "Guest 100 stands still after its kernel panicked (guest-panicked)",
        "Guest 101 stands still because its watchdog ran out (watchdog)",
        "Guest 102 stands still after an error of its disk (io-error)",
    ]
    played.is_right()
