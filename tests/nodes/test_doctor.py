"""The permission doctor: what an account lacks, and the line that repairs it (api-facts.md 1.2, 4.2 and 11.1)."""

from __future__ import annotations

import shlex

import pytest

from nodes.doctor import FEATURES, PathFinding, examination, examine, is_account, repairs, version_of
from nodes.proxmox.readings import PermissionsReading

AUDITOR = frozenset({"Sys.Audit", "Datastore.Audit", "VM.Audit", "Pool.Audit"})
AUDITOR_9 = AUDITOR | {"VM.GuestAgent.Audit"}
TOKEN = "pulse@pve!monitor"
PBS_TOKEN = "pulse@pbs!monitor"
NOBODY = PermissionsReading()


def holding(privileges, path="/", **more):
    """Return an account that holds privileges at a path and below, and whatever else is given as path: privileges."""
    held = {path: frozenset(privileges)} | {at: frozenset(held) for at, held in more.items()}
    return PermissionsReading(held, held)


def pve(permissions, version="9.1.1", account=TOKEN, **more):
    found = examine(
        permissions, kind="pve", version=version, account=account,
        **{"nodes": ["pve1", "pve2"], "storages": ["local", "nas"], "backup_storages": ["nas"]} | more,
    )  # fmt: skip
    return {one.feature: one for one in found}


def pbs(permissions, version="4.1", account=PBS_TOKEN, **more):
    found = examine(
        permissions, kind="pbs", version=version, account=account, **{"datastores": ["main"]} | more
    )
    return {one.feature: one for one in found}


#: What an auditor on "/" lacks, by product and version.
LACKING = {
    "PVE 7.4": (pve, AUDITOR, "7.4-16", {"backups", "agent", "updates"}),
    "PVE 8.4": (pve, AUDITOR, "8.4.1", {"backups", "agent", "updates"}),
    "PVE 9.1": (pve, AUDITOR_9, "9.1.1", {"backups", "updates"}),
    "PVE 9.1 with a role from PVE 8": (pve, AUDITOR, "9.1.1", {"backups", "agent", "updates"}),
    "PBS 4.1": (pbs, {"Sys.Audit", "Datastore.Audit"}, "4.1", {"sync_jobs", "certificates"}),
}


@pytest.mark.parametrize(("product", "held", "version", "expected"), LACKING.values(), ids=LACKING)
def test_what_an_auditor_lacks(product, held, version, expected):
    found = product(holding(held), version)

    assert {key for key, one in found.items() if one.state != "ok"} == expected


def test_a_fresh_token_lacks_everything():
    assert {one.state for one in pve(NOBODY).values()} == {"missing"}
    assert {one.state for one in pbs(NOBODY).values()} == {"missing"}


def test_an_account_with_everything_needs_no_line():
    everything = {privilege for feature in FEATURES for way in feature.ways for _, privilege in way}

    found = [
        *pve(holding(everything)).values(),
        *pve(holding(everything), account="of nobody").values(),
        *pbs(holding(everything)).values(),
    ]

    assert {
        (one.state, one.note, one.caution, one.repair, one.user_repair, one.user_note) for one in found
    } == {("ok", "", "", (), (), "")}


def test_a_finding_says_what_is_needed_held_and_missing():
    found = pve(holding(AUDITOR_9))["backups"]

    assert found.paths == (
        PathFinding(
            "/storage/nas",
            ("Datastore.Audit", "Datastore.Allocate"),
            ("Datastore.Audit",),
            ("Datastore.Allocate",),
        ),
    )


@pytest.mark.parametrize("version", ["", "7.4", "8.4", "9.1"])
def test_each_feature_is_judged_once(version):
    found = examine(NOBODY, kind="pve", version=version, account=TOKEN, backup_storages=["nas"])

    assert sorted({one.feature for one in found}) == sorted(one.feature for one in found)


def test_what_is_needed_at_the_root_says_so():
    assert [one.path for one in pve(NOBODY)["cluster"].paths] == ["/"]


AGENT = {
    "before PVE 9": ("8.4.1", {"VM.Monitor"}, "ok"),
    "the new privilege does not exist there": ("8.4.1", {"VM.GuestAgent.Audit"}, "missing"),
    "from PVE 9 on": ("9.0.0", {"VM.GuestAgent.Audit"}, "ok"),
    "everything an agent can do": ("9.0.0", {"VM.GuestAgent.Unrestricted"}, "ok"),
    "the old privilege is gone": ("9.0.0", {"VM.Monitor"}, "missing"),
    "an unknown version": ("", {"VM.GuestAgent.Audit"}, "ok"),
    "an unknown version that still has the old privilege": ("", {"VM.Monitor"}, "ok"),
}


@pytest.mark.parametrize(("version", "held", "state"), AGENT.values(), ids=AGENT)
def test_the_guest_agent_needs_another_privilege_from_pve_9_on(version, held, state):
    assert pve(holding(held), version)["agent"].state == state


BACKUPS = {
    "to look at the storage": ({"Datastore.Audit"}, "missing"),
    "to change it": ({"Datastore.Audit", "Datastore.Allocate"}, "ok"),
    "to change it, but not to open its list": ({"Datastore.Allocate"}, "missing"),
    "to store and to back up": ({"Datastore.AllocateSpace", "VM.Backup"}, "ok"),
    "to store and to change": ({"Datastore.AllocateSpace", "Datastore.Allocate"}, "ok"),
    "to store, but not to back up": ({"Datastore.AllocateSpace"}, "missing"),
}


@pytest.mark.parametrize(("held", "state"), BACKUPS.values(), ids=BACKUPS)
def test_what_opens_the_backups_of_a_storage(held, state):
    assert pve(holding(held))["backups"].state == state


def test_backups_are_not_judged_without_a_storage_that_keeps_any():
    assert "backups" not in pve(NOBODY, backup_storages=[])


HISTORY = {"too old": ("8.2.4", False), "the first": ("8.2.5", True), "unknown": ("", True)}


@pytest.mark.parametrize(("version", "expected"), HISTORY.values(), ids=HISTORY)
def test_a_feature_is_judged_only_where_it_exists(version, expected):
    assert ("history" in pve(NOBODY, version)) == expected


DISKS = {"PVE 7": ("7.4", "ok"), "PVE 8": ("8.0", "missing")}


@pytest.mark.parametrize(("version", "state"), DISKS.values(), ids=DISKS)
def test_disks_are_told_with_less_on_pve_7(version, state):
    assert pve(holding({"Datastore.Audit"}), version)["disks"].state == state


PARTIAL = {
    "one guest": (PermissionsReading({"/vms/100": frozenset({"VM.Audit"})}), "guests", "partial"),
    "no guest": (PermissionsReading({"/vms/100": frozenset({"VM.PowerMgmt"})}), "guests", "missing"),
    "one node of two": (PermissionsReading({"/nodes/pve1": frozenset({"Sys.Audit"})}), "nodes", "partial"),
    "both nodes": (
        PermissionsReading({"/nodes/pve1": frozenset({"Sys.Audit"}), "/nodes/pve2": frozenset({"Sys.Audit"})}),
        "nodes", "ok"),
    "a node nobody named": (PermissionsReading({"/nodes/pve9": frozenset({"Sys.Audit"})}), "nodes", "partial"),
    "one storage of two": (
        PermissionsReading({"/storage/nas": frozenset({"Datastore.Audit"})}), "storages", "partial"),
    "the storages, and not the root": (holding({"Datastore.Audit"}, "/storage"), "storages", "ok"),
    "a privilege that does not go on below": (
        PermissionsReading({"/": frozenset({"VM.Audit"})}), "guests", "missing"),
}  # fmt: skip


@pytest.mark.parametrize(("permissions", "feature", "state"), PARTIAL.values(), ids=PARTIAL)
def test_seeing_some_is_partial_and_no_error(permissions, feature, state):
    assert pve(permissions)[feature].state == state


def test_one_datastore_of_two_is_partial():
    one = PermissionsReading({"/datastore/main": frozenset({"Datastore.Audit"})})

    assert pbs(one, datastores=["main", "old"])["datastores"].state == "partial"
    assert pbs(one, datastores=[])["datastores"].state == "partial"


#: Feature, version: the lines for the token, and those for its user.
REPAIRS = {
    "to look": ("guests", "9.1",
        ("pveum acl modify / --tokens 'pulse@pve!monitor' --roles PVEAuditor",),
        ("pveum acl modify / --users pulse@pve --roles PVEAuditor",)),
    "the agent on PVE 9": ("agent", "9.1",
        ("pveum acl modify / --tokens 'pulse@pve!monitor' --roles PVEAuditor",),
        ("pveum acl modify / --users pulse@pve --roles PVEAuditor",)),
    "the agent on PVE 8": ("agent", "8.4",
        ("pveum role add PulseGuestAgent --privs VM.Monitor",
         "pveum acl modify / --tokens 'pulse@pve!monitor' --roles PulseGuestAgent"),
        ("pveum acl modify / --users pulse@pve --roles PulseGuestAgent",)),
    "backups keep what comes from above": ("backups", "9.1",
        ("pveum role add PulseBackups --privs Datastore.Audit,Datastore.Allocate",
         "pveum acl modify /storage/nas --tokens 'pulse@pve!monitor' --roles PulseBackups"),
        ("pveum acl modify /storage/nas --users pulse@pve --roles PulseBackups",)),
    "updates": ("updates", "9.1",
        ("pveum role add PulseUpdates --privs Sys.Audit,Sys.Modify",
         "pveum acl modify /nodes --tokens 'pulse@pve!monitor' --roles PulseUpdates"),
        ("pveum acl modify /nodes --users pulse@pve --roles PulseUpdates",)),
}  # fmt: skip


@pytest.mark.parametrize(("feature", "version", "lines", "user_lines"), REPAIRS.values(), ids=REPAIRS)
def test_the_line_that_repairs_a_feature(feature, version, lines, user_lines):
    found = pve(NOBODY, version)[feature]

    assert (found.repair, found.user_repair) == (lines, user_lines)


def test_the_lines_of_a_backup_server():
    found = pbs(NOBODY)

    assert found["datastores"].repair == (
        "proxmox-backup-manager acl update / Audit --auth-id 'pulse@pbs!monitor'",
    )
    assert found["sync_jobs"].repair == (
        "proxmox-backup-manager acl update /remote RemoteAudit --auth-id 'pulse@pbs!monitor'",
    )
    assert found["sync_jobs"].user_repair == (
        "proxmox-backup-manager acl update /remote RemoteAudit --auth-id pulse@pbs",
    )
    assert found["certificates"].repair == ()


SEPARATION = {
    "separated": (True, "--tokens", True),
    "not known": (None, "--tokens", True),
    "not separated": (False, "--users", False),
}


@pytest.mark.parametrize(("separation", "option", "for_both"), SEPARATION.values(), ids=SEPARATION)
def test_a_separated_token_needs_what_its_user_needs(separation, option, for_both):
    found = pve(NOBODY, has_privilege_separation=separation)["guests"]

    assert option in found.repair[0]
    assert bool(found.user_repair) == for_both
    assert found.user_note == (examination.PVE_BOTH_NEEDED if for_both else "")
    assert (found.caution, found.note) == (examination.CAUTION, "")


def test_a_token_of_a_backup_server_is_always_separated():
    found = pbs(NOBODY, has_privilege_separation=False)["datastores"]

    assert found.user_repair == ("proxmox-backup-manager acl update / Audit --auth-id pulse@pbs",)
    assert found.user_note == "A token has only what its user has as well: both need it."
    assert found.caution.startswith("Leave out the line of a user that has these rights already")


def test_a_user_without_a_token_needs_one_line():
    found = pve(NOBODY, account="pulse@pve")["guests"]

    assert found.repair == ("pveum acl modify / --users pulse@pve --roles PVEAuditor",)
    assert (found.user_repair, found.user_note) == ((), "")
    assert (found.caution, found.note) == (examination.CAUTION, "")


def test_root_needs_nothing_and_its_token_does():
    found = pve(NOBODY, account="root@pam!pulse")["guests"]

    assert found.repair == ("pveum acl modify / --tokens 'root@pam!pulse' --roles PVEAuditor",)
    assert (found.user_repair, found.user_note, found.caution, found.note) == ((), "", "", "")
    assert pve(NOBODY, account="root@pam")["guests"].repair == ()


def test_an_entry_further_down_is_repaired_where_it_is():
    narrowed = holding(AUDITOR_9, **{"/vms": {"VM.PowerMgmt"}, "/nodes/pve2": {"Sys.Console"}})

    found = pve(narrowed)

    assert found["guests"].repair == (
        "pveum acl modify /vms --tokens 'pulse@pve!monitor' --roles PVEAuditor",
    )
    assert found["nodes"].repair == (
        "pveum acl modify /nodes/pve2 --tokens 'pulse@pve!monitor' --roles PVEAuditor",
    )


def test_an_entry_is_where_the_privileges_change_and_not_below():
    narrowed = holding(AUDITOR_9, **{"/nodes": {"Sys.Console"}, "/nodes/pve2": {"Sys.Console"}})

    assert pve(narrowed)["nodes"].repair == (
        "pveum acl modify /nodes --tokens 'pulse@pve!monitor' --roles PVEAuditor",
    )


def test_an_empty_path_that_proxmox_lists_is_no_entry():
    fresh = holding([], **{"/vms": [], "/nodes": [], "/storage": []})

    assert pve(fresh)["guests"].repair == (
        "pveum acl modify / --tokens 'pulse@pve!monitor' --roles PVEAuditor",
    )


ACCOUNTS = {
    "a token": ("pulse@pve!monitor", True),
    "a user": ("pulse@pve", True),
    "a name that is an address": ("a@example.org@ldap!x", True),
    "a quote, which Proxmox allows": ("o'neill@pve!x", True),
    "a command in the user": ("$(reboot)@pve!x", True),
    "a command in the token": ("pulse@pve!x;reboot", False),
    "a blank": ("pul se@pve!x", False),
    "a second line": ("pulse@pve!x\nreboot", False),
    "a line in the user": ("a\nreboot@pve!x", False),
    "an option": ("-rf@pve!x", False),
    "a text that runs backwards": ("a\u202eb@pve!x", False),
    "no realm": ("pulse!x", False),
    "no token after the mark": ("pulse@pve!", False),
    "nothing": ("", False),
}


@pytest.mark.parametrize(("account", "expected"), ACCOUNTS.values(), ids=ACCOUNTS)
def test_which_accounts_may_be_written_into_a_line(account, expected):
    assert is_account(account) is expected


@pytest.mark.parametrize("account", ["o'neill@pve!x", "$(reboot)@pve!x", "`id`;id@pve!x", 'a"b&c@pve!x'])
def test_an_odd_account_stays_one_word_of_the_line(account):
    (line,) = pve(NOBODY, account=account)["guests"].repair

    assert shlex.split(line) == [
        "pveum", "acl", "modify", "/", "--tokens", account, "--roles", "PVEAuditor",
    ]  # fmt: skip


def test_a_hostile_account_gets_no_line_and_is_told_why():
    found = pve(NOBODY, account="pulse@pve!x;reboot")["guests"]

    assert (found.state, found.repair, found.user_repair) == ("missing", (), ())
    assert (found.note, found.caution, found.user_note) == (examination.BAD_ACCOUNT, "", "")


def test_what_a_role_opens_beyond_that_stays_apart_from_the_caution():
    found = pve(NOBODY)["backups"]

    assert found.note.startswith("Proxmox has no privilege that only lists backups")
    assert "Leave out" not in found.note
    assert found.caution == examination.CAUTION


@pytest.mark.parametrize("name", ["nas;reboot", "-nas", "$(id)", "a b", "../../x", "n\nas"])
def test_a_hostile_storage_gets_no_line(name):
    found = pve(NOBODY, backup_storages=[name, "nas"])["backups"]

    assert found.repair == (
        "pveum role add PulseBackups --privs Datastore.Audit,Datastore.Allocate",
        "pveum acl modify /storage/nas --tokens 'pulse@pve!monitor' --roles PulseBackups",
    )
    assert pve(NOBODY, backup_storages=[name])["backups"].repair == ()


VERSIONS = {
    "three numbers": ("8.4.1", (8, 4, 1)),
    "an older spelling": ("7.4-16", (7, 4, 16)),
    "with a suffix": ("9.0.0~beta1", (9, 0, 0)),
    "nothing": ("", ()),
    "no number": ("trixie", ()),
}


@pytest.mark.parametrize(("text", "expected"), VERSIONS.values(), ids=VERSIONS)
def test_the_numbers_of_a_version(text, expected):
    assert version_of(text, NOBODY) == expected


def test_all_lines_are_told_once_and_the_optional_ones_on_request():
    found = list(pve(NOBODY).values())

    assert repairs(found) == (
        "pveum acl modify / --tokens 'pulse@pve!monitor' --roles PVEAuditor",
        "pveum role add PulseBackups --privs Datastore.Audit,Datastore.Allocate",
        "pveum acl modify /storage/nas --tokens 'pulse@pve!monitor' --roles PulseBackups",
    )
    assert repairs(found, with_optional=True)[3:] == (
        "pveum role add PulseUpdates --privs Sys.Audit,Sys.Modify",
        "pveum acl modify /nodes --tokens 'pulse@pve!monitor' --roles PulseUpdates",
    )
    assert repairs(found, of_user=True) == (
        "pveum acl modify / --users pulse@pve --roles PVEAuditor",
        "pveum acl modify /storage/nas --users pulse@pve --roles PulseBackups",
    )


def test_every_feature_says_why_and_what_is_missing_without_it():
    assert [
        one.key for one in FEATURES if not (one.title and one.why.endswith(".") and one.without.endswith("."))
    ] == []
