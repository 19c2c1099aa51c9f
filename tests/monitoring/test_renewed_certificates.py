"""A host whose pinned certificate is renewed while it is watched: who is believed, what is pinned, what people are told."""

from __future__ import annotations

import logging

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from nodes.models import ClusterEndpoint
from nodes.serializers import InstanceSerializer
from pulse.lib.outbound.connecting import PUBLIC
from tests.authorities import Root, build
from tests.fake_proxmox.certificates import Certificate
from tests.monitoring.collected import turn, with_token

pytestmark = [pytest.mark.slow, pytest.mark.django_db]


@pytest.fixture
def new_root(tmp_path):
    """Make the authority of a cluster; all of them are called alike."""

    def make():
        key = ec.generate_private_key(ec.SECP256R1())
        return Root(key, build(subject="PVE root", issuer=None, key=key, signer=key, days=90), tmp_path)

    return make


def show(server, root, *, told=None):
    """Let a fake serve a new certificate of this authority, and list `told` as the authority."""
    served = root.signs()
    server.show(Certificate(served.context, served.pem, served.fingerprint), authority_pem=(told or root).pem)


@pytest.fixture
def pinned(fake_pve, watch, new_root):
    """A host with a certificate of its cluster's authority, pinned and known for a while; and that authority."""
    root = new_root()
    show(fake_pve, root)
    watched = with_token(watch(fake_pve, fingerprint=fake_pve.fingerprint), fake_pve.site)
    turn(watched, times=8)
    return watched, root


def test_the_authority_is_read_over_the_trusted_connection(pinned):
    watched, root = pinned

    assert watched.row().authority == root.pem


def test_what_the_authority_renews_is_taken_and_told_once(pinned, fake_pve, caplog):
    watched, root = pinned
    show(fake_pve, root)

    with caplog.at_level(logging.INFO, logger="monitoring.polling.outcomes"):
        for _ in range(3):
            watched.poll(after=10, reconnects=True)

    row = watched.row()
    assert (row.state, row.fingerprint, row.authority) == ("ok", fake_pve.fingerprint, root.pem)
    told = [record.getMessage() for record in caplog.records if "certificate" in record.getMessage()]
    assert told == ["lab: the certificate was renewed by its authority; the new one is pinned"]
    assert InstanceSerializer(row).data["certificateRenewed"].startswith("2026-01-01T12:0")


def test_it_can_be_renewed_again(pinned, fake_pve):
    watched, root = pinned
    for _ in range(2):
        show(fake_pve, root)
        fake_pve.stop()
        fake_pve.start()
        watched.poll(after=10)
        assert (watched.row().state, watched.row().fingerprint) == ("ok", fake_pve.fingerprint)


def test_another_authority_of_the_same_name_gets_no_byte(pinned, fake_pve, new_root):
    watched, _ = pinned
    before = watched.row().fingerprint
    fake_pve.traffic.reset()
    show(fake_pve, new_root())

    watched.poll(after=10, reconnects=True)

    row = watched.row()
    assert (row.state, row.failure_code, row.fingerprint) == ("failing", "certificate_changed", before)
    assert fake_pve.traffic.snapshot()["requests"] == {}
    assert "certificateRenewed" not in InstanceSerializer(row).data


def test_an_authority_that_has_not_signed_is_not_believed(fake_pve, watch, new_root):
    show(fake_pve, new_root(), told=new_root())
    watched = with_token(watch(fake_pve, fingerprint=fake_pve.fingerprint), fake_pve.site)

    turn(watched, times=8)

    assert watched.row().authority == ""


@pytest.mark.parametrize("fields", [{}, {"verify_tls": True}], ids=["unchecked", "verified"])
def test_without_a_pin_no_authority_is_remembered(fields, fake_pve, watch, authority, new_root):
    watched = with_token(watch(fake_pve, **fields), fake_pve.site)

    turn(watched, times=8)

    assert (watched.row().authority, watched.row().fingerprint) == ("", "")


def test_a_pinned_certificate_that_the_machine_trusts_may_be_renewed_by_public_authorities(
    fake_pbs, watch, authority, new_root
):
    public = Root(authority.key, authority.certificate, authority.folder)
    show(fake_pbs, public)
    watched = watch(fake_pbs, kind="pbs", fingerprint=fake_pbs.fingerprint)
    watched.poll()
    assert watched.row().authority == PUBLIC

    show(fake_pbs, public)
    watched.poll(after=10, reconnects=True)
    assert (watched.row().state, watched.row().fingerprint) == ("ok", fake_pbs.fingerprint)

    show(fake_pbs, new_root())
    watched.poll(after=10, reconnects=True)
    assert watched.row().failure_code == "certificate_changed"


def test_a_backup_server_that_has_signed_its_own_is_refused_after_a_change(fake_pbs, watch):
    watched = watch(fake_pbs, kind="pbs", fingerprint=fake_pbs.fingerprint)
    watched.poll()
    fake_pbs.renew_certificate()

    watched.poll(after=10, reconnects=True)

    assert (watched.row().failure_code, watched.row().authority) == ("certificate_changed", "")


def test_a_member_that_stands_in_is_pinned_anew_as_well(fake_cluster, watch, new_root):
    root, (first, second, *_) = new_root(), fake_cluster.servers
    for server in (first, second):
        show(server, root)
    watched = with_token(watch(first, fingerprint=first.fingerprint), fake_cluster)
    turn(watched, times=8)
    member = ClusterEndpoint.objects.get(instance=watched.instance, node_name=second.name)
    assert member.fingerprint == second.fingerprint
    show(second, root)
    first.stop()

    watched.poll(after=10, reconnects=True)

    member.refresh_from_db()
    assert (watched.row().state, member.fingerprint) == ("ok", second.fingerprint)
    assert watched.row().fingerprint == first.fingerprint
