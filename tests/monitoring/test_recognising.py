"""Two instances that turn out to be one while they are polled, and two that only look so."""

from __future__ import annotations

from contextlib import ExitStack

import pytest

from nodes.models import Instance
from tests.fake_proxmox import PveSpec, certificates
from tests.fake_proxmox.fixtures import virtual_estate
from tests.monitoring.collected import paths

pytestmark = pytest.mark.django_db


@pytest.fixture
def elsewhere(monkeypatch):
    """`elsewhere(specification)` is another site, whose certificates are its own whatever its hosts are called."""
    with ExitStack() as stack:

        def begin(specification):
            monkeypatch.setattr(certificates, "_cache", {})
            return stack.enter_context(virtual_estate(specification))

        yield begin


def by_name(server, watch):
    """The same host under another address, as if it had been added while it was down."""
    return watch(server, host=server.url.replace("127.0.0.1", "localhost"))


def states(*watched):
    """How each of these instances is, by its row."""
    return [Instance.objects.get(pk=one.instance.pk).failure_code for one in watched]


def test_one_host_that_was_added_twice_while_it_was_down_is_polled_once(fake_pve, watch):
    first, second = watch(fake_pve), by_name(fake_pve, watch)

    first.poll()
    second.poll()

    assert states(first, second) == ["", "duplicate_cluster"]
    assert (len(first.shown("nodes")), second.shown("nodes")) == (1, [])


def test_one_host_is_polled_again_when_the_other_instance_is_removed(fake_pve, watch):
    first, second = watch(fake_pve), by_name(fake_pve, watch)
    first.poll()
    second.poll()

    first.instance.delete()
    second.poll(after=10)

    assert states(second) == [""]
    assert len(second.shown("nodes")) == 1


def test_two_hosts_whose_nodes_have_one_name_are_both_polled(fake_pve, watch, elsewhere):
    first = watch(fake_pve)
    second = watch(elsewhere(PveSpec(name="pve", guests=14, is_home_lab=True)).servers[0])

    first.poll()
    second.poll()
    second.poll(after=700)

    assert states(first, second) == ["", ""]
    assert (len(first.shown("nodes")), len(second.shown("nodes"))) == (1, 1)


def test_members_of_a_cluster_are_one_whatever_the_account_may_ask(fake_cluster, watch):
    site = fake_cluster
    token_id, token_value = site.add_token("narrow", {"/vms": ("VM.Audit",)})
    narrow = {"token_id": token_id, "token_value": token_value}
    first, second = (watch(server, **narrow) for server in site.servers[:2])

    first.poll()
    second.poll()

    assert states(first, second) == ["", "duplicate_cluster"]


def test_two_clusters_made_of_one_plan_are_both_polled(fake_cluster, watch, elsewhere):
    other = elsewhere(PveSpec(name="production", nodes=3, guests=12)).site("production")
    first, second = watch(fake_cluster.first), watch(other.first)

    first.poll()
    second.poll()
    second.poll(after=700)

    assert states(first, second) == ["", ""]


def test_a_renewed_certificate_makes_no_second_cluster(fake_cluster, watch):
    first, second = (watch(server) for server in fake_cluster.servers[:2])
    first.poll()
    second.poll()

    told = {name: ["ff" * 32, address] for name, (_, address) in first.row().told_nodes.items()}
    Instance.objects.filter(pk=first.instance.pk).update(told_nodes=told)
    second.poll(after=70)
    at_once = states(second)
    second.poll(after=1000)

    assert (len(told), at_once, states(second)) == (3, ["duplicate_cluster"], [""])


def test_a_host_without_a_namesake_is_asked_once_by_what_it_is_recognised(fake_pve, watch):
    watched = watch(fake_pve)

    watched.poll()
    watched.poll(after=700)
    watched.poll(after=700)

    assert [count for path, count in paths(fake_pve).items() if path.endswith("/nodes")] == [1]
