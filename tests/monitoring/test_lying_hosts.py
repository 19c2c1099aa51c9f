"""A host that tells the names, addresses, guests and certificates of another: both stay, both say so, and it is handed no credential.

The hosts listen with TLS, each with certificates of its own. Everything that the liar tells it could have read by shaking hands.
"""

from __future__ import annotations

from contextlib import ExitStack
from datetime import timedelta

import msgspec
import pytest

from monitoring.known.memory import MEMORY
from monitoring.polling import polls, restoring
from monitoring.store import current
from monitoring.store.memory import MemoryStore
from monitoring.wire.fragments import FragmentKey
from nodes import connecting, editing
from nodes.drafts import Draft
from nodes.editing import Outcome
from nodes.models import ClusterEndpoint, Instance
from tests.conftest import NOON
from tests.fake_proxmox import FakeEstate, ManualClock, PbsSpec, PmgSpec, PveSpec
from tests.fake_proxmox.fixtures import virtual_estate

pytestmark = [pytest.mark.slow, pytest.mark.django_db]

MEMBERS = {"pve-01": "127.0.0.2", "pve-02": "127.0.0.3", "pve-03": "127.0.0.4"}
#: Where the members of the liar listen, at the port of the victim: there a credential of the victim would arrive.
TRAPS = {"pve-01": "127.0.0.12", "pve-02": "127.0.0.13", "pve-03": "127.0.0.14"}
VICTIMS_GUESTS = [100, 101, 102, 103, 104, 105, 106, 107, 108, 109, 110, 111]


class Town:
    """A cluster, another one that may lie about being it, and what Pulse makes of them."""

    def __init__(self, victim, liar):
        self.victim, self.liar, self.seconds = victim, liar, 0

    def add(self, site, host=""):
        """Configure a site as a person would."""
        draft = Draft(
            kind=site.kind, host=host or site.url, token_id=site.token_id, token_value=site.token_value
        )
        if site.kind == "pmg":  # only tickets open it
            draft = Draft(kind="pmg", host=site.url, user=site.user, password=site.password)
        return editing.add(draft, at=NOON + timedelta(seconds=self.seconds))

    def lie(self, **how):
        """From now on the liar tells what the victim tells."""
        self.liar.pretend_to_be(self.victim, **how)

    def poll(self, *, times=1, seconds=10):
        """Let time go by, and poll all that are configured."""
        for _ in range(times):
            self.seconds += seconds
            for site in (self.victim, self.liar):
                site.clock.advance(seconds)
            for pk in Instance.objects.order_by("number").values_list("pk", flat=True):
                polls.poll(pk, NOON + timedelta(seconds=self.seconds))

    def restart(self):
        """A process that begins anew: what is not in the database is forgotten."""
        for pk in list(connecting._kept):
            connecting.forget(pk)
        current.install(MemoryStore())
        restoring.restore_inventory(NOON + timedelta(seconds=self.seconds))

    def stolen(self):
        """The bytes of the victim's credential that the liar was handed."""
        return sum(one.traffic.authorization_bytes(self.victim.token_value) for one in self.liar.servers)


def shown(instance, collection):
    fragment = current.store().fragments().get(FragmentKey(instance.pk, "resources"))
    return [msgspec.json.decode(item.body) for item in fragment.items[collection]] if fragment else []


def nodes_of(instance):
    return [(one["name"], one["status"]) for one in shown(instance, "nodes")]


def guests_of(instance):
    return sorted(one["vmid"] for one in shown(instance, "vms") + shown(instance, "containers"))


def disputes_of(instance):
    return [one["text"] for one in shown(instance, "concerns") if one["code"] == "identity_disputed"]


ALL_ONLINE = [("pve-01", "online"), ("pve-02", "online"), ("pve-03", "online")]


@pytest.fixture
def town(db, fresh_store, settings):
    """A cluster of three and a liar of three, at one port, with certificates of their own."""
    settings.CONNECTION_TIMEOUT_SECONDS = 1
    with ExitStack() as stack:
        estate = stack.enter_context(virtual_estate(PveSpec(name="production", nodes=3, guests=12)))
        liars = FakeEstate(
            PveSpec(name="shadow", nodes=3, guests=3, first_address=12),
            seed=9,
            clock=ManualClock(),
            unauthorized_delay_seconds=0,
            base_port=estate.servers[0].port,
        )
        yield Town(estate.sites[0], stack.enter_context(liars).sites[0])
        for pk in list(connecting._kept):
            connecting.forget(pk)


@pytest.mark.parametrize("first", ["liar", "victim"])
def test_a_cluster_stays_wholly_beside_one_that_copies_all_it_tells(town, first):
    town.lie()
    order = (town.liar, town.victim) if first == "liar" else (town.victim, town.liar)

    added = {site.url: town.add(site) for site in order}
    town.poll(times=3, seconds=70)

    victim, liar = added[town.victim.url].instance, added[town.liar.url].instance
    assert [one.outcome for one in added.values()] == [Outcome.ADDED, Outcome.ADDED]
    assert (nodes_of(victim), guests_of(victim)) == (ALL_ONLINE, VICTIMS_GUESTS)
    assert (len(nodes_of(liar)), len(guests_of(liar))) == (3, 12)
    assert [len(disputes_of(one)) for one in (victim, liar)] == [1, 1]
    assert disputes_of(victim)[0].startswith(f"{liar.name} tells of the same nodes")
    assert town.stolen() == 0


@pytest.mark.parametrize("own", [(), ("pve-02", "pve-03")], ids=["all-copied", "two-of-its-own"])
@pytest.mark.parametrize("first", ["liar", "victim"])
def test_a_cluster_of_which_all_is_down_hands_its_credential_to_nobody_else(town, first, own):
    town.lie(addresses=TRAPS, honest_certificates=own)
    order = (town.liar, town.victim) if first == "liar" else (town.victim, town.liar)
    for site in order:
        town.add(site)
    town.poll(times=2)
    victim = Instance.objects.get(host=town.victim.url)

    for server in town.victim.servers:
        server.stop()
    town.poll(times=3, seconds=40)
    town.restart()
    town.poll(times=2, seconds=40)

    assert town.stolen() == 0
    assert dict(victim.endpoints.values_list("node_name", "address")) == MEMBERS
    assert [status for _, status in nodes_of(victim)] == ["offline", "offline", "offline"]
    assert guests_of(victim) == VICTIMS_GUESTS


def test_a_liar_that_is_added_while_a_cluster_is_down_is_handed_nothing_of_it(town):
    town.lie(addresses=TRAPS, honest_certificates=("pve-02", "pve-03"))
    victim = town.add(town.victim).instance
    town.poll(times=2)
    for server in town.victim.servers:
        server.stop()

    town.add(town.liar)
    town.poll(times=2, seconds=40)
    town.restart()
    town.poll(times=2, seconds=40)

    assert town.stolen() == 0
    assert dict(victim.endpoints.values_list("node_name", "address")) == MEMBERS
    assert guests_of(victim) == VICTIMS_GUESTS


def test_a_cluster_that_is_added_while_it_is_down_is_not_part_of_who_lists_its_addresses(town):
    town.lie()
    town.add(town.liar)
    town.poll()
    for server in town.victim.servers:
        server.stop()

    added = [
        town.add(town.victim, host=f"https://{host}:{town.victim.servers[0].port}")
        for host in MEMBERS.values()
    ]
    town.poll(times=2)

    assert [one.outcome for one in added] == [Outcome.ADDED] * 3
    assert town.stolen() == 0


def test_a_host_that_lies_after_it_was_added_hides_nobody(town):
    liar, victim = town.add(town.liar).instance, town.add(town.victim).instance
    town.poll()
    assert (len(disputes_of(liar)), len(disputes_of(victim))) == (0, 0)

    town.lie(addresses=TRAPS)
    town.poll(times=2, seconds=301)

    assert nodes_of(victim) == ALL_ONLINE
    assert (len(disputes_of(liar)), len(disputes_of(victim))) == (1, 1)
    assert town.stolen() == 0


def test_a_liar_that_becomes_honest_is_another_cluster_again(town):
    town.lie()
    liar, victim = town.add(town.liar).instance, town.add(town.victim).instance
    town.poll(times=2)
    assert (len(disputes_of(liar)), len(disputes_of(victim))) == (1, 1)

    town.liar.tell_truth("shadow")
    town.poll(times=4, seconds=301)

    assert (disputes_of(liar), disputes_of(victim)) == ([], [])
    assert (nodes_of(liar), nodes_of(victim)) == (ALL_ONLINE, ALL_ONLINE)


@pytest.mark.parametrize("removed", ["liar", "victim"])
@pytest.mark.parametrize("first", ["liar", "victim"])
def test_who_is_removed_takes_nothing_of_the_other_along(town, first, removed):
    town.lie(addresses=TRAPS)
    order = (town.liar, town.victim) if first == "liar" else (town.victim, town.liar)
    for site in order:
        town.add(site)
    town.poll(times=2)
    kept, gone = (town.victim, town.liar) if removed == "liar" else (town.liar, town.victim)
    kept_row = Instance.objects.get(host=kept.url)

    editing.remove(Instance.objects.get(host=gone.url).pk, at=NOON)
    town.poll(times=2, seconds=70)

    assert (nodes_of(kept_row), guests_of(kept_row)) == (ALL_ONLINE, VICTIMS_GUESTS)
    assert disputes_of(kept_row) == []
    assert town.stolen() == 0


def test_a_host_of_its_own_is_copied_in_vain(fake_pve, fresh_store):
    with virtual_estate(PveSpec(name="pve", guests=3, is_home_lab=True), seed=9) as estate:
        estate.servers[0].renew_certificate()
        town = Town(fake_pve.site, estate.sites[0])
        town.lie()
        liar, victim = town.add(town.liar).instance, town.add(town.victim).instance
        town.poll(times=2, seconds=301)
        town.poll(times=2, seconds=301)

        assert (nodes_of(victim), len(guests_of(victim))) == ([("pve", "online")], 14)
        assert (len(disputes_of(liar)), len(disputes_of(victim))) == (1, 1)
        assert town.stolen() == 0


@pytest.mark.parametrize(
    "specification", [PbsSpec(name="pve-01"), PmgSpec(name="pve-01")], ids=["pbs", "pmg"]
)
def test_a_server_with_the_name_of_a_member_changes_nothing_of_the_cluster(town, specification):
    victim = town.add(town.victim).instance
    with virtual_estate(specification, seed=5) as estate:
        added = town.add(estate.sites[0])
        town.poll(times=2)

        assert added.outcome is Outcome.ADDED
        assert nodes_of(victim) == ALL_ONLINE
        assert disputes_of(victim) == []
        assert estate.servers[0].traffic.authorization_bytes(town.victim.token_value) == 0


# --- and who tells the truth --------------------------------------------------------------------------------------------


def test_a_cluster_that_is_added_by_two_members_is_one(town):
    first, second, _ = town.victim.servers
    added = [town.add(town.victim, host=one.url) for one in (first, second)]

    town.poll()

    assert [one.outcome for one in added] == [Outcome.ADDED, Outcome.MERGED]
    assert nodes_of(added[0].instance) == ALL_ONLINE


def test_a_cluster_that_was_added_twice_while_it_was_down_is_shown_once(town):
    first, second, _ = town.victim.servers
    second.stop()
    added = [town.add(town.victim, host=one.url).instance for one in (first, second)]
    town.poll()
    second.start()

    town.poll(times=3)

    assert [nodes_of(one) for one in added] == [ALL_ONLINE, []]
    assert Instance.objects.get(pk=added[1].pk).failure_code == "duplicate_cluster"


def test_the_second_entry_of_a_cluster_takes_over_when_the_first_does_not_answer(town):
    first, second, _ = town.victim.servers
    second.stop()
    added = [town.add(town.victim, host=one.url).instance for one in (first, second)]
    second.start()
    town.poll(times=2)
    # Whatever keeps Pulse from the first: its credential was taken away.
    Instance.objects.filter(pk=added[0].pk).update(sealed_token="", version=2)

    town.poll(times=7)
    assert nodes_of(added[1]) == ALL_ONLINE


def test_a_cluster_is_read_by_another_member_that_shows_what_was_told_of_it(town):
    instance = town.add(town.victim).instance
    town.poll()
    town.victim.servers[0].stop()

    town.poll(times=2)

    assert Instance.objects.get(pk=instance.pk).failure_code == ""
    assert town.victim.servers[1].traffic.authorization_bytes(town.victim.token_value) > 0


def test_members_of_a_host_that_could_not_be_asked_when_it_was_added_have_their_certificates_at_once(town):
    first = town.victim.servers[0]
    first.stop()
    instance = town.add(town.victim, host=first.url).instance
    first.start()

    town.poll()

    told = {server.name: server.fingerprint for server in town.victim.servers}
    assert (
        dict(ClusterEndpoint.objects.filter(instance=instance).values_list("node_name", "fingerprint"))
        == told
    )


def test_what_a_former_host_told_of_its_members_is_not_kept_for_the_next(town):
    token_id, token_value = town.victim.add_token("narrow", {"/vms": ("VM.Audit",)})
    town.lie(addresses=TRAPS)
    instance = town.add(town.liar).instance
    town.poll()
    assert instance.endpoints.count() == 3

    editing.change(
        instance.pk,
        Draft(kind="pve", host=town.victim.url, token_id=token_id, token_value=token_value),
        at=NOON,
    )
    town.poll(times=2)

    assert instance.endpoints.count() == 0
    assert sum(one.traffic.authorization_bytes(token_value) for one in town.liar.servers) == 0


def test_nothing_of_it_stays_in_the_memory_of_the_poller(town):
    town.lie()
    liar, victim = town.add(town.liar).instance, town.add(town.victim).instance
    town.poll(times=2)

    editing.remove(liar.pk, at=NOON)
    town.poll()

    assert current.store().load(MEMORY, of=victim.pk).alike == {}
