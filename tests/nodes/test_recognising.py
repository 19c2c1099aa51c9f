"""Whether two hosts are one: what each has proven first, then certificates, guests, names and addresses last."""

from __future__ import annotations

from datetime import timedelta

import pytest

from nodes.proxmox.readings.live import ClusterReading, MemberReading, NodeCertificateReading
from nodes.recognising import Appearance, are_disputed, is_same, stands_for_others, told_nodes
from tests.conftest import NOON
from tests.factories import make_instance

A, B, C, D, WILD = ("aa" * 32, "bb" * 32, "cc" * 32, "dd" * 32, "ee" * 32)
TILL = {101: ("qemu", "till"), 102: ("lxc", "mail")}
OTHER = {101: ("qemu", "desk"), 102: ("lxc", "wiki")}
FAR = {500: ("qemu", "till")}
RENAMED = TILL | {102: ("lxc", "mail-old"), 103: ("qemu", "x")}


def cluster(one, other, guests=None, *, name="branch", addresses=("10.0.0.1", "10.0.0.2"), shown=None):
    """A cluster of pve1 and pve2 with these certificates, which shows that of pve1; name None: the account may not ask."""
    nodes = ("pve1", "pve2")
    told = dict(zip(nodes, addresses if name else ("", ""), strict=True))
    return Appearance(name, {"pve1": one, "pve2": other}, told, guests, one if shown is None else shown)


def single(certificate, guests=None, *, address="10.0.0.1", node="pve", shown=None):
    """A host of its own."""
    return Appearance(
        "", {node: certificate}, {node: address}, guests, certificate if shown is None else shown
    )


SITES = {
    "one cluster by one member": (cluster(A, B, TILL), cluster(A, B, TILL), True),
    "one cluster by two members": (cluster(A, B, TILL), cluster(A, B, TILL, shown=B), True),
    "one cluster with one certificate for the domain": (cluster(WILD, WILD, TILL), cluster(WILD, WILD, TILL), True),
    "one cluster of which a certificate was renewed": (cluster(A, B, TILL), cluster(A, C, TILL), True),
    "one cluster, a guest renamed and one new": (cluster(A, B, TILL), cluster(A, B, RENAMED), True),
    "one cluster, the second account sees one guest": (cluster(A, B, TILL), cluster(A, B, {101: TILL[101]}), True),
    "one cluster, the second account sees no guest": (cluster(A, B, TILL), cluster(A, B, {}), True),
    "one cluster of which nobody knows guests": (cluster(A, B), cluster(A, B, shown=B), True),
    "a cluster, and a host that copies all it tells": (cluster(A, B, TILL), cluster(A, B, TILL, shown=D), False),
    "a cluster, and a host that copies it without TLS": (cluster(A, B, TILL), cluster(A, B, TILL, shown=""), False),
    "a cluster, and a host that says to be one of its nodes": (cluster(A, B, TILL), cluster(A, D, TILL, shown=D), False),
    "a cluster of which a copy lists the certificate of nobody else": (
        cluster(A, B, TILL), cluster(A, B, TILL, name=None, shown=D), False),
    "a host of its own, and one that copies it": (single(A, TILL), single(A, TILL, shown=D), False),
    "one cluster that tells no certificate": (cluster("", "", TILL), cluster("", "", TILL), False),
    "one cluster asked through a proxy": (cluster(A, B, TILL), cluster(A, B, TILL, shown=C), False),
    "one cluster that only the first may be asked for": (cluster(A, B, TILL), cluster(A, B, TILL, name=None), True),
    "one cluster that nobody may be asked for": (cluster(A, B, TILL, name=None), cluster(A, B, TILL, name=None), True),
    "two sites with other certificates": (cluster(A, B, TILL), cluster(C, D, OTHER), False),
    "two sites with other certificates and guests of one name": (cluster(A, B, TILL), cluster(C, D, TILL), False),
    "two sites with other certificates and no guests yet": (cluster(A, B), cluster(C, D), False),
    "two sites that tell no certificate, with other guests": (cluster("", "", TILL), cluster("", "", OTHER), False),
    "two sites that tell no certificate, with other numbers": (cluster("", "", TILL), cluster("", "", FAR), False),
    "two sites with one certificate for the domain": (cluster(WILD, WILD, TILL), cluster(WILD, WILD, OTHER), False),
    "two sites made of one image": (cluster(A, B, TILL), cluster(A, B, OTHER), False),
    "two clusters of other names": (cluster(A, B, TILL), cluster(A, B, TILL, name="other"), False),
    "two clusters of one name at other addresses": (
        cluster("", "", None), cluster("", "", None, addresses=("10.9.0.1", "10.9.0.2")), False),
    "two clusters that nobody may be asked for, with other certificates": (
        cluster(A, B, None, name=None), cluster(C, D, None, name=None), False),
    "two clusters that nobody may be asked for and that tell no certificate": (
        cluster("", "", TILL, name=None), cluster("", "", TILL, name=None), False),
    "a cluster and a host of its own": (cluster(A, B, TILL), single(A, TILL, node="pve1"), False),
    "one host by name and by address": (single(A, TILL), single(A, TILL), True),
    "one host that nobody has polled": (single(A, None), single(A, TILL), True),
    "one host without guests": (single(A, {}), single(A, {}), True),
    "two hosts with other certificates": (single(A, TILL), single(B, TILL), False),
    "two hosts that tell no certificate": (single("", TILL), single("", TILL), False),
    "two hosts with one certificate for the domain, and other guests": (single(WILD, TILL), single(WILD, OTHER), False),
    "two hosts with one certificate for the domain, one of them empty": (single(WILD, TILL), single(WILD, {}), False),
    "two hosts with one certificate for the domain, at other addresses": (
        single(WILD, None), single(WILD, None, address="10.0.0.9"), False),
    "two hosts of other names": (single(WILD, TILL), single(WILD, TILL, node="pve9"), False),
}  # fmt: skip


@pytest.mark.parametrize(("one", "other", "expected"), SITES.values(), ids=SITES)
def test_whether_two_hosts_are_one(one, other, expected):
    assert is_same(one, other) is expected
    assert is_same(other, one) is expected


DISPUTES = {
    "a cluster, and a host that copies all it tells": (cluster(A, B, TILL), cluster(A, B, TILL, shown=D), True),
    "a cluster, and a host that copies its certificates": (
        cluster(A, B, TILL), cluster(A, B, OTHER, name="x", shown=D), True),
    "a cluster, and a host that copies it without certificates": (cluster(A, B, TILL), cluster("", "", TILL), True),
    "a host of its own, and one that copies it": (single(A, TILL), single(A, TILL, shown=D), True),
    "one cluster by two members": (cluster(A, B, TILL), cluster(A, B, TILL, shown=B), False),
    "two sites made of one plan": (cluster(A, B, TILL), cluster(C, D, OTHER), False),
    "two sites made of one image": (cluster(A, B, TILL), cluster(A, B, OTHER), False),
    "two hosts of one name": (single(A, TILL), single(B, TILL), False),
    "two hosts with one certificate for the domain": (single(WILD, TILL), single(WILD, OTHER), False),
}  # fmt: skip


@pytest.mark.parametrize(("one", "other", "expected"), DISPUTES.values(), ids=DISPUTES)
def test_who_tells_what_is_anothers_without_its_key_is_disputed(one, other, expected):
    assert are_disputed(one, other) is expected
    assert are_disputed(other, one) is expected


def test_the_certificate_that_is_shown_counts_where_the_asked_node_lists_none():
    listed = (NodeCertificateReading("pve1"), NodeCertificateReading("pve2", B))
    membership = ClusterReading(
        (MemberReading("pve1", "10.0.0.1", is_local=True), MemberReading("pve2", "10.0.0.2")), "branch"
    )

    assert told_nodes(listed, membership, served=A) == {"pve1": [A, "10.0.0.1"], "pve2": [B, "10.0.0.2"]}
    assert told_nodes(listed[:1], None, served=A) == {"pve1": [A, ""]}
    assert told_nodes(listed, None, served=A) == {"pve1": ["", ""], "pve2": [B, ""]}


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("seconds", "expected"),
    [(0, True), (35, True), (36, False), (-36, False), (3600, False), (-86_400, False)],
)
def test_who_has_been_silent_stands_for_nobody_whatever_the_clock_says(seconds, expected):
    silent = make_instance(failing_since=NOON)

    assert stands_for_others(silent, at=NOON + timedelta(seconds=seconds)) is expected
