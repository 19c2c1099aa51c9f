"""Whose a backup is: case by case, with the evidence that is shown (api-facts.md 11.2)."""

from __future__ import annotations

import time

import pytest

from monitoring.backups.attribution import (
    BackupServer,
    Group,
    KnownGuest,
    PbsStorage,
    VolumeStorage,
    attribute,
    attribute_volume,
    estate,
    group,
    names,
    owns,
    pbs_storage,
    volume_storage,
)
from monitoring.backups.shares import Share
from nodes.proxmox.readings.backup_server import BackupGroupReading
from nodes.proxmox.readings.backups import BackupVolumeReading, StorageConfigReading

VAULT = BackupServer("vault", ("vault.lab", "10.0.0.9"), "aa" * 32)
SHARED = "clusters"

LAB_100 = KnownGuest("lab", 100, "qemu", "web")
OFFICE_100 = KnownGuest("office", 100, "qemu", "mail")


def storage(instance, *, namespace=SHARED, username="", server="vault.lab", fingerprint=""):
    return PbsStorage(instance, "pbs", server, "main", namespace, username, fingerprint)


def backup(kind="vm", id="100", *, namespace=SHARED, owner="", comment=""):
    return Group("vault", "main", namespace, kind, id, owner, comment)


BOTH = (LAB_100, OFFICE_100)
BOTH_STORE = (storage("lab"), storage("office"))
OWN_TOKENS = (storage("lab", username="b@pbs!lab"), storage("office", username="b@pbs!office"))

#: What is known of guests and storages, and the group: state, instance, the rule that spoke last, candidates.
CASES = {
    "its own namespace": (BOTH, [storage("lab"), storage("office", namespace="office")], backup(),
        ("attributed", "lab", "namespace", ("lab",))),
    "two clusters, one vmid and nothing else": (BOTH, BOTH_STORE, backup(),
        ("ambiguous", "", "vmid", ("lab", "office"))),
    "owner and comment agree": (BOTH, OWN_TOKENS, backup(owner="b@pbs!office", comment="mail"),
        ("attributed", "office", "owner", ("office",))),
    "the owner alone, nothing said otherwise": (BOTH, OWN_TOKENS, backup(owner="b@pbs!office"),
        ("attributed", "office", "owner", ("office",))),
    "the user of the token": (
        BOTH, [storage("lab", username="a@pbs"), storage("office", username="b@pbs")],
        backup(owner="b@pbs!old"), ("attributed", "office", "owner", ("office",))),
    "owner and comment disagree": (BOTH, OWN_TOKENS, backup(owner="b@pbs!office", comment="web"),
        ("ambiguous", "", "vmid", ("lab", "office"))),
    "one account for both": (
        BOTH, [storage("lab", username="b@pbs"), storage("office", username="b@pbs")],
        backup(owner="b@pbs", comment="web"), ("ambiguous", "", "vmid", ("lab", "office"))),
    "the comment alone is not enough": (BOTH, BOTH_STORE, backup(comment="web"),
        ("ambiguous", "", "vmid", ("lab", "office"))),
    "only one of the two has the guest": ((LAB_100,), BOTH_STORE, backup(),
        ("attributed", "lab", "vmid", ("lab",))),
    "a guest elsewhere does not count": (
        (LAB_100, KnownGuest("attic", 100, "qemu", "x")), BOTH_STORE, backup(),
        ("attributed", "lab", "vmid", ("lab",))),
    "a container of that number is another guest": (
        (LAB_100, KnownGuest("office", 100, "lxc", "mail")), BOTH_STORE, backup(),
        ("attributed", "lab", "vmid", ("lab",))),
    "a group of a container": ((LAB_100, KnownGuest("office", 100, "lxc", "mail")), BOTH_STORE, backup("ct"),
        ("attributed", "office", "vmid", ("office",))),
    "no storage is known, one guest is": ((LAB_100,), [], backup(), ("attributed", "lab", "vmid", ("lab",))),
    "no storage is known, two guests are": (BOTH, [], backup(),
        ("ambiguous", "", "vmid", ("lab", "office"))),
    "no storage is known and the comment names another": ((LAB_100,), [], backup(comment="db"),
        ("ambiguous", "", "contradiction", ("lab",))),
    "nobody has it": (BOTH, [], backup(id="999"), ("unknown", "", "vmid", ())),
    "it outlived its guest": (BOTH, [storage("lab")], backup(id="999"),
        ("attributed", "lab", "namespace", ("lab",))),
    "it outlived its guest, of one of two": (BOTH, BOTH_STORE, backup(id="999"),
        ("ambiguous", "", "namespace", ("lab", "office"))),
    "a cluster that is not watched uses the namespace too": (
        (LAB_100,), [storage("lab", username="b@pbs!lab")], backup(owner="b@pbs!other", comment="erp"),
        ("ambiguous", "", "contradiction", ("lab",))),
    "the same, of a guest that this one lacks": (
        (LAB_100,), [storage("lab", username="b@pbs!lab")], backup(id="300", owner="b@pbs!other"),
        ("ambiguous", "", "contradiction", ("lab",))),
    "a sync job changed the owner": (
        (LAB_100,), [storage("lab", username="b@pbs!lab")], backup(owner="sync@pbs", comment="web"),
        ("attributed", "lab", "namespace", ("lab",))),
    "a renamed guest": (
        (LAB_100,), [storage("lab", username="b@pbs!lab")], backup(owner="b@pbs!lab", comment="www-old"),
        ("attributed", "lab", "namespace", ("lab",))),
    "a renamed guest, stored by an account nobody tells": (
        (LAB_100,), [storage("lab")], backup(owner="b@pbs!x", comment="www-old"),
        ("attributed", "lab", "namespace", ("lab",))),
    "a kind that PBS does not have yet": (BOTH, [storage("lab")], backup("pod"), ("unknown", "", "kind", ())),
    "the owner's guest is gone": (BOTH, OWN_TOKENS, backup(id="999", owner="b@pbs!office", comment="old"),
        ("attributed", "office", "owner", ("office",))),
    "the owner's guest is gone, and the comment names that of the other": (
        (LAB_100,), OWN_TOKENS, backup(owner="b@pbs!office", comment="web"),
        ("ambiguous", "", "contradiction", ("lab", "office"))),
    "a host": (BOTH, [storage("lab")], backup("host", "nas"), ("foreign", "", "kind", ())),
    "a host with the number of a guest": (BOTH, [storage("lab")], backup("host", "100"),
        ("foreign", "", "kind", ())),
    "a name instead of a number": (BOTH, [storage("lab")], backup("vm", "web"), ("unknown", "", "kind", ())),
    "a number no guest has": (BOTH, [storage("lab")], backup("vm", "0100"), ("unknown", "", "kind", ())),
    "digits of another script": (BOTH, [storage("lab")], backup("vm", "١٠٠"), ("unknown", "", "kind", ())),
    "another namespace": ((), [storage("lab")], backup(namespace="else"), ("unknown", "", "vmid", ())),
    "slashes around the namespace": (BOTH, [storage("lab", namespace="/clusters/")], backup(),
        ("attributed", "lab", "namespace", ("lab",))),
}  # fmt: skip


@pytest.mark.parametrize(("guests", "storages", "one", "expected"), CASES.values(), ids=CASES)
def test_whose_a_group_is(guests, storages, one, expected):
    found = attribute(one, estate(guests, storages, [VAULT]))

    assert (found.state, found.instance, found.evidence[-1][0], found.candidates) == expected


def test_only_an_attributed_group_names_a_guest():
    known = estate(BOTH, BOTH_STORE, [VAULT])

    assert attribute(backup(), known).vmid is None
    assert attribute(backup(), estate((LAB_100,), BOTH_STORE, [VAULT])).vmid == 100


@pytest.mark.parametrize(("id", "expected"), [("100", True), ("999", False)])
def test_a_backup_that_outlived_its_guest_says_so(id, expected):
    found = attribute(backup(id=id), estate(BOTH, [storage("lab")], [VAULT]))

    assert (found.state, found.guest_is_known) == ("attributed", expected)


def test_all_that_was_asked_is_kept_in_order():
    found = attribute(backup(owner="b@pbs!office", comment="mail"), estate(BOTH, OWN_TOKENS, [VAULT]))

    assert found.evidence == (
        ("namespace", "lab and office store there"),
        ("owner", "b@pbs!office is the account of office"),
        ("owner", "the comment names the guest of office"),
    )


def test_without_any_storage_only_the_guests_speak():
    found = attribute(backup(), estate((LAB_100,)))

    assert found.evidence == (("vmid", "only lab has a guest 100 of this kind"),)


NAS_SHARE = Share("nfs", ("export", "dump"), frozenset({"nas.lab"}))
NAS = VolumeStorage("lab", "nas", NAS_SHARE)

#: How the storage names its server, and how the server is known: whether they are the same.
SERVERS = {
    "by name": ("vault.lab", "", VAULT, True),
    "by address": ("10.0.0.9", "", VAULT, True),
    "spelled otherwise": ("VAULT.lab.", "", VAULT, True),
    "an IPv6 address in another spelling": ("fd00:0::9", "", BackupServer("vault", ("[fd00::9]",)), True),
    "by certificate, under another name": ("backup.example", "aa" * 32, VAULT, True),
    "the same address with another certificate": ("10.0.0.9", "bb" * 32, VAULT, False),
    "a certificate that only one side tells": (
        "10.0.0.9", "bb" * 32, BackupServer("vault", ("10.0.0.9",)), True),
    "another server": ("other.lab", "", VAULT, False),
}  # fmt: skip


@pytest.mark.parametrize(("server", "fingerprint", "told", "expected"), SERVERS.values(), ids=SERVERS)
def test_which_server_a_storage_means(server, fingerprint, told, expected):
    known = estate((), [storage("lab", server=server, fingerprint=fingerprint)], [told])

    assert attribute(backup(), known).state == ("attributed" if expected else "unknown")


def test_an_address_at_two_sites_is_told_apart_by_the_certificate_or_not_at_all():
    servers = [
        BackupServer("vault", ("10.0.0.9",), "aa" * 32),
        BackupServer("attic", ("10.0.0.9",), "bb" * 32),
    ]

    pinned = estate((), [storage("lab", server="10.0.0.9", fingerprint="bb" * 32)], servers)
    unpinned = estate((), [storage("lab", server="10.0.0.9")], servers)

    assert attribute(Group("attic", "main", SHARED, "vm", "100"), pinned).instance == "lab"
    assert attribute(backup(), pinned).state == "unknown"
    assert attribute(backup(), unpinned).state == "unknown"


def test_two_storages_of_one_cluster_are_one_owner():
    both = [storage("lab"), PbsStorage("lab", "pbs-old", "vault.lab", "main", SHARED)]

    found = attribute(backup(), estate((LAB_100,), both, [VAULT]))

    assert found.evidence == (("namespace", "only lab stores there, as pbs and pbs-old"),)


OWNERS = {
    "the token itself": ("b@pbs!x", {"b@pbs!x"}, True),
    "the user of the token": ("b@pbs!x", {"b@pbs"}, True),
    "another token of the same user": ("b@pbs!x", {"b@pbs!y"}, False),
    "a token does not own what its user owns": ("b@pbs", {"b@pbs!x"}, False),
    "the owner is not told": ("", {"b@pbs"}, None),
    "the account is not told": ("b@pbs", set(), None),
}


@pytest.mark.parametrize(("owner", "usernames", "expected"), OWNERS.values(), ids=OWNERS)
def test_whether_an_account_owns_a_group(owner, usernames, expected):
    assert owns(owner, usernames) is expected


COMMENTS = {
    "the name": ("web", "web", True),
    "the name among others": ("pve1: web (100)", "web", True),
    "at the end of a sentence": ("Backup of web.", "web", True),
    "a longer name": ("web-old", "web", False),
    "a name in a domain": ("web.lab", "web", False),
    "another case": ("Web", "web", False),
    "no comment": ("", "web", False),
    "neither": ("", "", False),
    "a guest without a name": ("web", "", False),
}


@pytest.mark.parametrize(("comment", "name", "expected"), COMMENTS.values(), ids=COMMENTS)
def test_whether_a_comment_names_a_guest(comment, name, expected):
    assert names(comment, name) is expected


OFFICE_NAS = VolumeStorage("office", "backup", NAS_SHARE)
LOCAL = VolumeStorage("lab", "local")
OFFICE_LOCAL = VolumeStorage("office", "local")

#: Volumes in the storage of "lab": what else is known, and whose it is.
VOLUMES = {
    "a local storage": (BOTH, [LOCAL, OFFICE_LOCAL], "local", 100, "", ("attributed", "lab", ("lab",))),
    "a share of one cluster": (BOTH, [NAS], "nas", 100, "", ("attributed", "lab", ("lab",))),
    "a storage that is not known yet": (BOTH, [], "nas", 100, "", ("attributed", "lab", ("lab",))),
    "a share of two clusters": (
        BOTH, [NAS, OFFICE_NAS], "nas", 100, "", ("ambiguous", "", ("lab", "office"))),
    "a share of two, and the notes tell": (
        BOTH, [NAS, OFFICE_NAS], "nas", 100, "mail", ("attributed", "office", ("office",))),
    "a share of two, of which one has the guest": (
        (OFFICE_100,), [NAS, OFFICE_NAS], "nas", 100, "", ("attributed", "office", ("office",))),
    "a share of two, of which none has the guest": (
        BOTH, [NAS, OFFICE_NAS], "nas", 300, "", ("ambiguous", "", ("lab", "office"))),
    "a local storage, of a guest that is gone": (
        BOTH, [LOCAL], "local", 300, "", ("attributed", "lab", ("lab",))),
    "a backup without a number": (BOTH, [LOCAL], "local", None, "", ("unknown", "", ())),
}  # fmt: skip


@pytest.mark.parametrize(
    ("guests", "volumes", "place", "vmid", "notes", "expected"), VOLUMES.values(), ids=VOLUMES
)
def test_whose_a_backup_in_a_storage_is(guests, volumes, place, vmid, notes, expected):
    volume = BackupVolumeReading("v", vmid, "qemu", notes=notes)

    found = attribute_volume("lab", place, volume, estate(guests, volumes=volumes))

    assert (found.state, found.instance, found.candidates) == expected


def test_a_volume_of_unknown_kind_may_be_of_either():
    known = estate([KnownGuest("office", 100, "lxc", "mail")], volumes=[NAS, OFFICE_NAS])

    found = attribute_volume("lab", "nas", BackupVolumeReading("v", 100), known)

    assert (found.state, found.instance) == ("attributed", "office")


def test_readings_become_evidence():
    config = StorageConfigReading(
        "pbs", "pbs", server="Vault.lab", datastore="main", namespace="a", username="b@pbs", fingerprint="aa"
    )
    nfs = StorageConfigReading("nas", "nfs", server="NAS.lab", export="/export/", path="/mnt/pve/nas")

    assert pbs_storage("lab", config) == PbsStorage("lab", "pbs", "Vault.lab", "main", "a", "b@pbs", "aa")
    assert pbs_storage("lab", nfs) is None
    assert volume_storage("lab", nfs) == NAS
    assert volume_storage("lab", config).share == Share(
        "pbs", ("main", "a"), frozenset({"vault.lab"}), certificate="aa"
    )
    assert volume_storage("lab", StorageConfigReading("local", "dir", path="/var")).share is None
    told = BackupGroupReading("vm", "100", owner="b@pbs")
    assert group("vault", "main", "a", told, comment="web") == Group(
        "vault", "main", "a", "vm", "100", "b@pbs", "web"
    )


def test_twenty_thousand_groups_of_ten_thousand_guests_take_no_time_to_speak_of():
    guests = [
        KnownGuest(f"c{number % 5}", 100 + number // 5, "qemu", f"g{number}") for number in range(10_000)
    ]
    storages = [storage(f"c{number}", username=f"b@pbs!c{number}") for number in range(5)]
    groups = [
        backup(id=str(100 + number % 4000), owner=f"b@pbs!c{number % 5}", comment=f"g{number}")
        for number in range(20_000)
    ]

    started = time.process_time()
    known = estate(guests, storages, [VAULT])
    states = {attribute(one, known).state for one in groups}
    took = time.process_time() - started

    assert states == {"attributed", "ambiguous"}
    assert took < 3.0  # a third of a second; minutes when each group is held against each guest
