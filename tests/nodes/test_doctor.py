"""The permission doctor: what an account lacks, and the line that repairs it (api-facts.md 1.2, 4.2 and 11.1)."""

from __future__ import annotations

import re
import shlex

import pytest

from nodes.doctor import examination
from nodes.doctor.examination import PathFinding, examine, repairs, version_of
from nodes.doctor.features import FEATURES, UNCONDITIONAL
from nodes.doctor.lines import is_account
from nodes.proxmox import access, backup_server, backups, cluster, guests, hardware
from nodes.proxmox import pbs as pbs_calls
from nodes.proxmox import pve as pve_calls
from nodes.proxmox.calls import Call
from nodes.proxmox.readings.access import PermissionsReading
from tests.nodes.recorded import schema_paths

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


#: Schemas by product, with the version that they are of.
SCHEMAS = {
    "pve": {"pve-9.2": (9, 2), "pve-8.4": (8, 4), "pve-7.4": (7, 4)},
    "pbs": {"pbs-4": (4,)},
}
#: A gateway has roles without paths, so nothing is told of it.
MODULES = (access, backup_server, backups, cluster, guests, hardware, pbs_calls, pve_calls)


def published(schema, call):
    """Return what a schema says about who may make a call, once for each path that it may stand for."""
    spellings = {
        call.path.replace("/nodes/localhost", "/nodes/{node}").replace("{kind}", kind)
        for kind in ("qemu", "lxc")
    }
    return [
        paths[path]["GET"].get("permissions") or {}
        for path in spellings
        if path in (paths := schema_paths(schema))
    ]


def is_enough(way, check):
    """Return whether a way of a feature fulfils what a schema demands, in the words of PVE or of PBS."""
    if isinstance(check, dict):
        enough = any if check.get("partial") else all
        return enough(covers(way, "/" + "/".join(check["path"]), privilege) for privilege in check["privs"])
    kind, *rest = check
    if kind in ("or", "and"):
        return (any if kind == "or" else all)(is_enough(way, one) for one in rest)
    path, privileges, *options = rest
    return (any if "any" in options else all)(covers(way, path, privilege) for privilege in privileges)


def covers(way, path, privilege):
    """Return whether one of the entries of a way is about the privilege, at the path or above it."""
    return any(needed == privilege and unnamed(path).startswith(unnamed(above)) for above, needed in way)


def unnamed(path):
    """Return a path whose placeholders have no names: the table and the schemas call the same differently."""
    return re.sub(r"\{[a-z_]+\}", "{}", path).rstrip("/") + "/"


@pytest.mark.parametrize("feature", FEATURES, ids=[f"{one.kind} {one.key} {one.since}" for one in FEATURES])
def test_what_a_feature_needs_is_what_proxmox_demands_of_its_calls(feature):
    checks = [
        permissions["check"]
        for schema, version in SCHEMAS[feature.kind].items()
        if version >= feature.since and (not feature.until or version < feature.until)
        for call in feature.calls
        for permissions in published(schema, call)
        if "check" in permissions
    ]

    assert [(way, check) for way in feature.ways for check in checks if not is_enough(way, check)] == []


def test_each_call_has_a_feature_or_is_open_to_everybody():
    placed = [call for one in FEATURES for call in one.calls]
    placed += [call for calls in UNCONDITIONAL.values() for call in calls]
    made = [call for module in MODULES for call in vars(module).values() if isinstance(call, Call)]

    assert len(made) > 50
    assert [call.path for call in made if call not in placed] == []


@pytest.mark.parametrize("kind", ["pve", "pbs"])
def test_what_is_open_to_everybody_has_no_condition(kind):
    demanded = {
        call.path: permissions["check"]
        for schema in SCHEMAS[kind]
        for call in UNCONDITIONAL[kind]
        for permissions in published(schema, call)
        if "check" in permissions
    }

    assert demanded == {}
