"""How many votes a cluster has, counts and needs."""

from __future__ import annotations

import pytest

from monitoring.figures.quorum import NodeVotes, quorum_of
from nodes.proxmox.readings.cluster import QdeviceReading, VoteReading
from nodes.proxmox.readings.live import ClusterReading, MemberReading

VOTING = "2026-01-01T12:00:00 (cast vote)"
#: Four nodes, the last of them down.
FOUR = ClusterReading(
    members=tuple(MemberReading(f"pve{number}", is_online=number < 4) for number in range(1, 5)), name="lab"
)
VOTES = tuple(VoteReading(f"pve{number}", number, 1) for number in range(1, 5))


def device(state="Connected", algorithm="Fifty-Fifty split", last_poll=VOTING):
    return QdeviceReading("Net", "192.0.2.53:5403", state, algorithm, last_poll=last_poll)


def counted(cluster=FOUR, votes=VOTES, qdevice=None, *, is_known=True):
    """Return (expected, present, needed) and the votes of the QDevice."""
    quorum = quorum_of(cluster, votes, qdevice, qdevice_is_known=is_known)
    return (quorum.expected_votes, quorum.present_votes, quorum.needed_votes), quorum.qdevice_votes


CASES = {
    "none": (None, (4, 3, 3), 0),
    "one that votes": (device(), (5, 4, 3), 1),
    "one that is connected and votes for another side": (device(last_poll="2026-01-01T12:00:00"), (5, 3, 3), 1),
    "one that is not connected": (device("Connect failed"), (5, 3, 3), 1),
    "one for the last man": (device(algorithm="LMS"), (7, 6, 4), 3),
    "one that tells no state": (device(""), (5, None, 3), 1),
    "an algorithm to come": (device(algorithm="Coin"), (None, None, None), None),
}  # fmt: skip


@pytest.mark.parametrize(("qdevice", "expected", "votes"), CASES.values(), ids=CASES)
def test_a_qdevice_adds_its_votes(qdevice, expected, votes):
    assert counted(qdevice=qdevice) == (expected, votes)


def test_votes_are_not_counted_before_it_is_known_whether_there_is_a_qdevice():
    assert counted(qdevice=device(), is_known=False) == ((None, None, None), None)


def test_a_node_may_have_more_than_one_vote_or_none():
    votes = (VoteReading("pve1", 1, 3), *VOTES[1:3], VoteReading("pve4", 4, 0))

    assert counted(votes=votes) == ((5, 5, 3), 0)


@pytest.mark.parametrize("votes", [(), VOTES[:3], (*VOTES[:3], VoteReading("pve4"))])
def test_votes_of_a_node_that_are_not_told_are_not_guessed(votes):
    assert counted(votes=votes)[0][0] is None


def cluster_of(online, *, is_quorate, count=2):
    members = tuple(MemberReading(f"pve{n}", is_online=n <= online) for n in range(1, count + 1))
    return ClusterReading(members=members, name="lab", is_quorate=is_quorate)


QUORUMS = {
    "two_node with one there": (cluster_of(1, is_quorate=True), None, (2, 1, None)),
    "two_node with both there": (cluster_of(2, is_quorate=True), None, (2, 2, 2)),
    "two without two_node, one there": (cluster_of(1, is_quorate=False), None, (2, 1, 2)),
    "wait_for_all after a cold start": (cluster_of(3, is_quorate=False, count=4), None, (4, 3, None)),
    "expected votes lowered by hand": (cluster_of(1, is_quorate=True, count=4), None, (4, 1, None)),
    "auto_tie_breaker on the side of the lowest": (cluster_of(2, is_quorate=True, count=4), None, (4, 2, None)),
    "half of four without a tie breaker": (cluster_of(2, is_quorate=False, count=4), None, (4, 2, 3)),
    "a QDevice makes up for one": (cluster_of(1, is_quorate=True), device(), (3, 2, 2)),
    "a quorum that is not told": (cluster_of(1, is_quorate=None), None, (2, 1, 2)),
}  # fmt: skip


@pytest.mark.parametrize(("cluster", "qdevice", "expected"), QUORUMS.values(), ids=QUORUMS)
def test_needed_votes_are_not_told_against_the_word_of_the_host(cluster, qdevice, expected):
    votes = tuple(VoteReading(member.name, number, 1) for number, member in enumerate(cluster.members))

    assert counted(cluster, votes, qdevice)[0] == expected


def test_a_node_of_which_it_is_not_told_whether_it_is_there_is_not_counted_as_present():
    members = (*FOUR.members[:3], MemberReading("pve4"))

    assert counted(ClusterReading(members=members))[0] == (4, None, 3)


def test_members_come_by_name_with_their_votes():
    quorum = quorum_of(FOUR, (*VOTES, VoteReading("pve5", 5, 1)), None, qdevice_is_known=True)

    assert quorum.nodes[2:] == (
        NodeVotes("pve3", 1, True),
        NodeVotes("pve4", 1, False),
        NodeVotes("pve5", 1, None),
    )
