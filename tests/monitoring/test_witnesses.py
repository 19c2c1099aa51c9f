"""Which member of a cluster is believed, and how seldom others are asked for it."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from monitoring.concerns.clusters import contradictions
from monitoring.known.memory import Contradiction, PollMemory
from monitoring.known.presence import absent_nodes, membership
from monitoring.polling.witnesses import View, better_view
from nodes.proxmox import pve
from nodes.proxmox.errors import PermissionDenied, TimedOut, Unreachable
from nodes.proxmox.readings.live import ClusterReading, MemberReading, NodeReading, ResourcesReading

AT = 1767268800.0
ALL = ("q1", "q2", "q3")


def view(witness, *, online=ALL, listed=None, is_quorate=True, name="tri", others="offline"):
    """What a member sees: who is online by its membership, and by its list unless that is told apart."""
    shown = online if listed is None else listed
    members = tuple(MemberReading(one, is_online=one in online, is_local=one == witness) for one in ALL)
    nodes = tuple(NodeReading(one, "online" if one in shown else others) for one in ALL)
    return View(ResourcesReading(nodes=nodes), ClusterReading(members, name, is_quorate))


class Calls:
    """Answers of other members, and how often they were asked."""

    def __init__(self, *answers, configured=None):
        self.asked = 0
        self.used = []
        self.answers = answers
        self.connection = SimpleNamespace(
            others=lambda: answers, use=self.used.append, configured=lambda: configured
        )

    def ask_of(self, client, call, *, longest_seconds):
        self.asked += 1
        if isinstance(client, Exception):
            raise client
        return client.cluster if call is pve.cluster_status else client.resources


def believed(own, *answers, memory=None, at=0.0, configured=None):
    """Who is believed, and the memory then."""
    memory = memory or PollMemory()
    calls = Calls(*answers, configured=configured)
    found = better_view(calls, memory, own, at_epoch=AT + at)
    return found.witness, memory, calls


MINORITY = view("q1", online=("q1",), is_quorate=False)
MAJORITY = view("q2", online=("q2", "q3"))


CASES = {
    "the next member has the majority": ([MAJORITY], "q2"),
    "the next but one has it": ([TimedOut("no answer"), view("q3", online=("q2", "q3"))], "q3"),
    "the next one has none either": ([view("q2", online=("q2",), is_quorate=False)], "q1"),
    "nobody else answers": ([Unreachable("gone"), TimedOut("no answer")], "q1"),
    "there is nobody else": ([], "q1"),
    "it is of another cluster": ([view("q2", online=("q2", "q3"), name="other")], "q1"),
    "it does not tell whether it has one": ([view("q2", online=("q2", "q3"), is_quorate=None)], "q1"),
    "it may not be asked that": ([PermissionDenied("no")], "q1"),
    "it lists nothing": ([View(ResourcesReading(), MAJORITY.cluster)], "q1"),
}


@pytest.mark.parametrize(("answers", "witness"), CASES.values(), ids=CASES.keys())
def test_a_member_without_a_majority_is_believed_only_where_no_other_has_one(answers, witness):
    found, memory, calls = believed(MINORITY, *answers)

    assert found == witness
    assert [one.witness for one in calls.used] == ([] if witness == "q1" else [witness])
    assert memory.contradicted == ({} if witness == "q1" else {"q1": Contradiction(witness, AT)})


def test_others_are_asked_again_every_half_minute_while_none_has_helped():
    asked = []
    memory = PollMemory()
    for at in range(0, 70, 10):
        _, memory, calls = believed(MINORITY, Unreachable("gone"), memory=memory, at=at)
        asked.append(calls.asked)

    assert asked == [1, 0, 0, 1, 0, 0, 1]


def test_every_other_member_has_its_turn():
    lost = view("q2", online=("q1", "q2"), is_quorate=False)
    others = (lost, Unreachable("gone"), view("q3", online=("q2", "q3")), lost)

    first, memory, _ = believed(MINORITY, *others)
    second, _, _ = believed(MINORITY, *others, memory=memory, at=30)

    assert (first, second) == ("q1", "q3")


def test_others_are_silent_once_each_of_them_was_asked_in_vain():
    others = [Unreachable("gone")] * 3
    _, memory, _ = believed(MINORITY, *others)
    assert memory.others_are_silent is False

    _, memory, _ = believed(MINORITY, *others, memory=memory, at=30)
    assert memory.others_are_silent is True

    _, memory, _ = believed(view("q1"), memory=memory, at=40)
    assert (memory.others_are_silent, memory.witnesses_silent) == (False, 0)


def test_a_member_that_was_not_believed_is_asked_in_every_poll_whether_it_is_cut_off_still():
    _, memory, _ = believed(MINORITY, MAJORITY)

    _, memory, calls = believed(MAJORITY, memory=memory, at=60, configured=MINORITY)
    assert (calls.asked, memory.contradicted) == (1, {"q1": Contradiction("q2", AT + 60)})

    _, memory, calls = believed(MAJORITY, memory=memory, at=70, configured=view("q1"))
    assert (calls.asked, memory.contradicted) == (1, {})


def test_one_that_is_down_altogether_is_no_longer_told_to_be_cut_off():
    _, memory, _ = believed(MINORITY, MAJORITY)

    _, memory, _ = believed(MAJORITY, memory=memory, at=10, configured=Unreachable("gone"))

    assert memory.contradicted == {}


def test_a_list_that_contradicts_the_membership_for_long_is_compared_with_another():
    own = view("q1", listed=("q1", "q3"), others="unknown")
    found, memory, calls = believed(own, view("q2"))
    assert (found, calls.asked) == ("q1", 0)

    found, memory, calls = believed(own, view("q2"), memory=memory, at=20)

    assert (found, calls.asked) == ("q2", 2)
    assert memory.contradicted == {"q1": Contradiction("q2", AT + 20, ("q2",))}
    (told,) = contradictions(memory.contradicted, at_epoch=AT + 30)
    assert (told[0], told[1].text) == (
        "q1",
        "Node q1 contradicts itself on whether q2 is online, and q2 does not: shown is what q2 sees",
    )


@pytest.mark.parametrize("at", [10, 19])
def test_a_list_that_follows_its_membership_by_seconds_is_no_news(at):
    own = view("q1", listed=("q1", "q3"), others="unknown")
    _, memory, _ = believed(own)

    found, _, calls = believed(own, view("q2"), memory=memory, at=at)

    assert (found, calls.asked) == ("q1", 0)


def test_what_all_members_list_alike_is_so():
    own = view("q1", listed=("q1", "q3"), others="unknown")
    _, memory, _ = believed(own)

    found, memory, _ = believed(own, view("q2", listed=("q1", "q3"), others="unknown"), memory=memory, at=30)

    assert (found, memory.contradicted) == ("q1", {})


@pytest.mark.parametrize(
    "own",
    [
        view("q1"),
        view("q1", online=("q1", "q2")),
        View(ResourcesReading(), ClusterReading((MemberReading("pve"),))),
    ],
)
def test_a_cluster_that_agrees_with_itself_costs_no_further_call(own):
    found, memory, calls = believed(own, MAJORITY)

    assert (found, calls.asked, memory.contradicted) == (own.witness, 0, {})


@pytest.mark.parametrize(("is_silent", "status"), [(False, "unknown"), (True, "offline")])
def test_whom_a_minority_cannot_see_is_unknown_unless_pulse_cannot_reach_it_either(is_silent, status):
    absent = absent_nodes(MINORITY.resources, MINORITY.cluster, others_are_silent=is_silent)

    assert absent == {"q2": status, "q3": status}


@pytest.mark.parametrize(("age", "is_known"), [(60, True), (61, False)])
def test_a_membership_that_is_not_told_any_more_is_unknown(age, is_known):
    memory = PollMemory(cluster=MINORITY.cluster, cluster_epoch=AT)

    assert (membership(memory, AT + age) is not None) is is_known


def test_a_contradiction_that_nobody_has_looked_at_for_minutes_is_forgotten():
    told = {"q1": Contradiction("q2", AT)}

    assert [one.code for _, one in contradictions(told, at_epoch=AT + 180)] == ["cut_off"]
    assert list(contradictions(told, at_epoch=AT + 181)) == []
