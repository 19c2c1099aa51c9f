"""A certificate that the authority of the pinned one has renewed is taken and pinned anew; every other change is refused."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec

from nodes import authorities, configuring, connecting
from nodes.connecting import Connection
from nodes.drafts import Draft
from nodes.models import ClusterEndpoint, Instance
from nodes.proxmox.client import Client, Target
from nodes.proxmox.errors import CertificateChanged
from pulse.lib.outbound.connecting import PUBLIC
from tests.authorities import LOOPBACK, Authority, Root, Served, build, context_of
from tests.conftest import NOON
from tests.factories import make_instance
from tests.nodes.servers import TOKEN, ScriptedServer, always, local, scripted

DATA = b'{"data":{"version":"9.1"}}'
OTHER_NAME = x509.DNSName("elsewhere.lab")


@pytest.fixture
def new_root(tmp_path: Path) -> Callable[[], Root]:
    """Make an authority; all of them are called alike."""

    def make() -> Root:
        key = ec.generate_private_key(ec.SECP256R1())
        return Root(key, build(subject="PVE root", issuer=None, key=key, signer=key, days=90), tmp_path)

    return make


@pytest.fixture
def root(new_root: Callable[[], Root]) -> Root:
    return new_root()


def self_signed(folder: Path, *, is_authority: bool = False) -> Served:
    key = ec.generate_private_key(ec.SECP256R1())
    name = None if is_authority else x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "PVE root")])
    made = build(subject="PVE root", issuer=name, key=key, signer=key, names=(LOOPBACK,))
    return Served(made, context_of(made, key, folder))


def target(server: ScriptedServer, pinned: Served, authority: str, *, host: str = "127.0.0.1") -> Target:
    url = f"https://{host}:{server.port}"
    return local("pve", url, TOKEN, fingerprint=pinned.fingerprint, authority=authority)


def test_what_the_same_root_has_renewed_is_taken_and_pinned(root: Root) -> None:
    before, after = root.signs(), root.signs()
    with (
        scripted(always(DATA), context=before.context) as server,
        Client(target(server, before, root.pem)) as client,
    ):
        client.get("/version")
        assert client.renewed_fingerprint == ""
        server.context = after.context
        client._adapter.close()

        answer = client.get("/version")

        assert (answer.data, client.renewed_fingerprint) == ({"version": "9.1"}, after.fingerprint)
        assert (
            server.connections == 3
        )  # the first, the one that showed another certificate, and the checked one


def test_a_renewed_one_is_pinned_as_the_first_was(root: Root, new_root: Callable[[], Root]) -> None:
    before, after, foreign = root.signs(), root.signs(), new_root().signs()
    with (
        scripted(always(DATA), context=after.context) as server,
        Client(target(server, before, root.pem)) as client,
    ):
        client.get("/version")
        server.context = foreign.context
        client._adapter.close()

        with pytest.raises(CertificateChanged) as caught:
            client.get("/version")

    assert (caught.value.expected, caught.value.presented) == (after.fingerprint, foreign.fingerprint)


CHANGES: dict[str, Callable[[Root, Root, Path], Served]] = {
    "another root of the same name": lambda root, other, folder: other.signs(),
    "signed by itself": lambda root, other, folder: self_signed(folder),
    "an authority of its own": lambda root, other, folder: self_signed(folder, is_authority=True),
    "expired": lambda root, other, folder: root.signs(days=-1),
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_every_other_change_is_refused_and_gets_no_byte(
    change: Callable[[Root, Root, Path], Served], root: Root, new_root: Callable[[], Root], tmp_path: Path
) -> None:
    before, after = root.signs(), change(root, new_root(), tmp_path)
    with (
        scripted(always(DATA), context=after.context) as server,
        pytest.raises(CertificateChanged) as caught,
        Client(target(server, before, root.pem)) as client,
    ):
        client.get("/version")

    assert (server.received_bytes, server.requests) == (0, [])
    assert (caught.value.expected, caught.value.presented) == (before.fingerprint, after.fingerprint)
    assert "confirm the new fingerprint" in str(caught.value)


def test_a_root_that_was_replaced_as_well_is_refused(root: Root, new_root: Callable[[], Root]) -> None:
    before, rotated = root.signs(), new_root()
    with (
        scripted(always(DATA), context=rotated.signs().context) as server,
        pytest.raises(CertificateChanged),
        Client(target(server, before, root.pem)) as client,
    ):
        client.get("/version")

    assert server.received_bytes == 0


@pytest.mark.parametrize(
    "authority_text", ["", "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n"]
)
def test_without_an_authority_every_change_is_refused(authority_text: str, root: Root) -> None:
    before, after = root.signs(), root.signs()
    with (
        scripted(always(DATA), context=after.context) as server,
        pytest.raises(CertificateChanged),
        Client(target(server, before, authority_text)) as client,
    ):
        client.get("/version")

    assert server.received_bytes == 0


def public(authority: Authority, *names: x509.GeneralName, days: int = 30) -> Served:
    return Root(authority.key, authority.certificate, authority.folder).signs(*names, days=days)


def test_a_public_certificate_for_this_host_is_taken(authority: Authority) -> None:
    before, after = public(authority), public(authority)
    with (
        scripted(always(DATA), context=after.context) as server,
        Client(target(server, before, PUBLIC)) as client,
    ):
        client.get("/version")

        assert client.renewed_fingerprint == after.fingerprint


PUBLIC_CHANGES: dict[str, Callable[[Authority, Root, Path], Served]] = {
    "for another name": lambda authority, root, folder: public(authority, OTHER_NAME),
    "expired": lambda authority, root, folder: public(authority, days=-1),
    "by nobody who is trusted": lambda authority, root, folder: root.signs(),
    "signed by itself": lambda authority, root, folder: self_signed(folder),
}


@pytest.mark.parametrize("change", PUBLIC_CHANGES.values(), ids=PUBLIC_CHANGES)
def test_every_other_change_of_a_public_one_is_refused(
    change: Callable[[Authority, Root, Path], Served], authority: Authority, root: Root, tmp_path: Path
) -> None:
    before, after = public(authority), change(authority, root, tmp_path)
    with (
        scripted(always(DATA), context=after.context) as server,
        pytest.raises(CertificateChanged),
        Client(target(server, before, PUBLIC)) as client,
    ):
        client.get("/version")

    assert server.received_bytes == 0


def test_a_public_certificate_does_not_replace_one_of_another_authority(
    authority: Authority, root: Root
) -> None:
    before, after = root.signs(), public(authority)
    with (
        scripted(always(DATA), context=after.context) as server,
        pytest.raises(CertificateChanged),
        Client(target(server, before, root.pem)) as client,
    ):
        client.get("/version")

    assert server.received_bytes == 0


# --- what is remembered -------------------------------------------------------------------------------------------


def test_the_root_that_has_signed_the_pinned_one_is_its_authority(
    root: Root, new_root: Callable[[], Root]
) -> None:
    served, foreign = root.signs(), new_root()

    assert authorities.signer_of(served.fingerprint, [foreign.pem, root.pem, served.pem]) == root.pem


def test_nobody_is_the_authority_of_what_the_host_does_not_list(root: Root, tmp_path: Path) -> None:
    served, lonely = root.signs(), self_signed(tmp_path, is_authority=True)
    key = ec.generate_private_key(ec.SECP256R1())
    node = build(subject="pve2", issuer=root.certificate.subject, key=key, signer=root.key)
    under_a_node = Root(key, node, tmp_path).signs()
    told = {
        "the pinned one is not listed": (served.fingerprint, [root.pem]),
        "the root is not listed": (served.fingerprint, [served.pem]),
        "it has signed itself": (lonely.fingerprint, [lonely.pem, root.pem]),
        "a node's certificate is no authority": (
            under_a_node.fingerprint,
            [under_a_node.pem, Root(key, node, tmp_path).pem, root.pem],
        ),
        "no certificate": (
            served.fingerprint,
            ["", "-----BEGIN CERTIFICATE-----\nx\n-----END CERTIFICATE-----"],
        ),
    }

    assert {case: authorities.signer_of(*given) for case, given in told.items()} == dict.fromkeys(told, "")


@pytest.mark.django_db
class TestStored:
    """What is kept of an instance."""

    def test_the_authority_is_remembered_and_used(self, root: Root) -> None:
        served = root.signs()
        instance = make_instance(fingerprint=served.fingerprint)

        assert authorities.is_wanted(instance)
        assert authorities.remember(instance, root.pem)
        stored = Instance.objects.get(pk=instance.pk)
        assert (stored.authority, authorities.is_wanted(stored)) == (root.pem, False)
        assert connecting.target_of(stored).authority == root.pem

    def test_an_authority_of_a_pin_that_has_changed_meanwhile_is_not_kept(self, root: Root) -> None:
        instance = make_instance(fingerprint="ab" * 32)
        Instance.objects.update(fingerprint="cd" * 32)

        assert not authorities.remember(instance, root.pem)
        assert Instance.objects.get().authority == ""

    @pytest.mark.parametrize(
        ("change", "authority"),
        [
            ({"fingerprint": "cd" * 32}, ""),
            ({"fingerprint": ""}, ""),
            ({"host": "https://elsewhere.lab:8006"}, ""),
            ({"fingerprint": "ab" * 32}, "public"),
            ({"name": "other"}, "public"),
        ],
        ids=["another pin", "no pin", "another host", "the same pin", "another name"],
    )
    def test_it_is_forgotten_with_the_pin(self, change: dict[str, str], authority: str) -> None:
        instance = make_instance(fingerprint="ab" * 32, authority="public", host="https://pve1.lab:8006")

        configuring.apply(configuring.checked(Draft(kind="pve", token_value="again", **change)), instance)

        assert instance.authority == authority

    def test_a_renewal_is_pinned_and_told_once(self) -> None:
        told = {"pve1": ["ab" * 32, "192.0.2.1"], "pve2": ["ef" * 32, "192.0.2.2"]}
        instance = make_instance(fingerprint="ab" * 32, authority="public", told_nodes=told)
        member = ClusterEndpoint.objects.create(instance=instance, node_name="pve1", fingerprint="ab" * 32)

        assert authorities.pin_anew(instance, "ab" * 32, "cd" * 32, at=NOON) is True
        assert authorities.pin_anew(instance, "ab" * 32, "cd" * 32, at=NOON) is False

        stored = Instance.objects.get()
        member.refresh_from_db()
        assert stored.told_nodes == told | {"pve1": ["cd" * 32, "192.0.2.1"]}
        assert (stored.fingerprint, stored.certificate_renewed_at, member.fingerprint) == (
            "cd" * 32,
            NOON,
            "cd" * 32,
        )

    def test_only_what_the_machine_trusts_is_public(self, authority: Authority, root: Root) -> None:
        ours, theirs = public(authority), root.signs()
        with scripted(always(DATA), context=ours.context) as server:
            instance = make_instance(host=server.url, fingerprint=ours.fingerprint)
            assert authorities.is_public(instance)
            instance.fingerprint = theirs.fingerprint
            assert not authorities.is_public(instance)  # trusted, and not the pinned one
            server.context = theirs.context
            assert not authorities.is_public(instance)
            assert server.received_bytes == 0

    def test_a_connection_tells_what_was_renewed(self, root: Root) -> None:
        before, after = root.signs(), root.signs()
        with scripted(always(DATA), context=after.context) as server:
            connection = Connection(target(server, before, root.pem))
            assert connection.renewals() == {}
            connection.ask(lambda client: client.get("/version"))
            renewals = connection.renewals()
            connection.close()

        assert renewals == {before.fingerprint: after.fingerprint}
