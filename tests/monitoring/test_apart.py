"""One bad host never stops another: whatever breaks over the facts of one, the others are judged, and it is told."""

from __future__ import annotations

import logging

import pytest
from django.db import OperationalError

from monitoring.backups import judgement, missed, sources
from monitoring.backups.attribution import BackupServer
from monitoring.backups.collected import Collected
from monitoring.backups.judgement import JUDGEMENT
from monitoring.backups.missed import zone_called
from monitoring.collecting import evidence, judging
from monitoring.concerns.applying import pbs_concerns, pve_concerns
from monitoring.figures.instances import Figures
from monitoring.known.facts import Facts, NamespaceBackups, NodeFacts
from monitoring.known.memory import PollMemory
from monitoring.store import current
from nodes.proxmox.readings.access import PermissionsReading
from nodes.proxmox.readings.backup_server import BackupGroupReading, BackupSnapshotReading, NamespaceReading
from nodes.proxmox.readings.backups import BackupJobReading, BackupVolumeReading, StorageConfigReading
from nodes.proxmox.readings.live import GuestReading, ResourcesReading
from tests.conftest import NOON
from tests.factories import make_instance

AT = int(NOON.timestamp())
HOUR = 3600

ERRORS = (
    ValueError,
    KeyError,
    TypeError,
    OverflowError,
    ZeroDivisionError,
    RecursionError,
    OSError,
    AttributeError,
    UnicodeDecodeError,
    MemoryError,
)


def raised(kind):
    """An error of this kind; some need arguments."""
    return kind("utf-8", b"\xff", 0, 1, "bad") if kind is UnicodeDecodeError else kind("wrong")


def everything():
    return PermissionsReading(
        {"/": frozenset({"Sys.Audit", "Datastore.Allocate", "Datastore.Audit", "VM.Audit"})},
        {"/": frozenset({"Sys.Audit", "Datastore.Allocate", "Datastore.Audit", "VM.Audit"})},
    )


def host(number, name, *, zone="UTC"):
    """A PVE with guest 100, backed up ten hours ago by a nightly job into its own `nas`."""
    volume = BackupVolumeReading(f"nas:backup/{name}", 100, "qemu", AT - 10 * HOUR, 5)
    facts = Facts(
        permissions=everything(),
        jobs=(BackupJobReading("nightly", schedule="02:00", storage="nas", covers_all=True),),
        jobs_epoch=AT,
        storages=(StorageConfigReading("nas", "dir", ("backup",)),),
        storages_epoch=AT,
        uncovered_epoch=AT,
        nodes={"pve1": NodeFacts(time_zone=zone)},
        tasks_epoch=AT,
        volumes={("nas", ""): (volume,)},
        volumes_epoch={("nas", ""): float(AT)},
    )
    reading = ResourcesReading(guests=(GuestReading(100, "qemu", "pve1", "running", name="web"),))
    return Collected(
        number, BackupServer(name), facts, PollMemory(reading=reading), reading.guests,
        guest_kinds=frozenset({"qemu", "lxc"}),
    )  # fmt: skip


def vault(number, name, vmid=100):
    """A PBS with one backup, six hours old."""
    place = NamespaceBackups(
        (BackupGroupReading("vm", str(vmid), AT - 6 * HOUR, 1, "a@pbs"),),
        float(AT),
        {f"vm/{vmid}": (BackupSnapshotReading("vm", str(vmid), AT - 6 * HOUR, 100),)},
        float(AT),
    )
    return Collected(
        number,
        BackupServer(name, (name,)),
        Facts(namespaces={"main": (NamespaceReading(""),)}, backups={("main", ""): place}),
        PollMemory(),
    )


def breaks_for(monkeypatch, module, function, name, error):
    """Let a function of a module raise whenever it is asked about the instance of this name."""
    real = getattr(module, function)

    bad = next(one for one in (BAD_HOST, BAD_SERVER) if one.name == name)

    def asked(*args, **options):
        if any(one is bad or one is bad.facts for one in args):
            raise error
        return real(*args, **options)

    monkeypatch.setattr(module, function, asked)


BAD_HOST, GOOD_HOST = host(1, "bad"), host(2, "good")
BAD_SERVER, GOOD_SERVER = vault(3, "bad-vault"), vault(4, "good-vault", 777)

#: Where the facts of one PVE are judged.
OF_A_HOST = ("evidence_from", "volumes_at", "missed_jobs", "coverages_of", "jobs_of")
#: Where those of one PBS are.
OF_A_SERVER = ("is_identity", "attributions_of", "snapshots_on", "read_at_own", "missed_jobs")


def judge():
    return judgement.judge([BAD_HOST, GOOD_HOST], [BAD_SERVER, GOOD_SERVER], {}, version=1, at=NOON)


@pytest.mark.parametrize("kind", ERRORS, ids=lambda kind: kind.__name__)
@pytest.mark.parametrize("function", OF_A_HOST)
def test_a_host_over_whose_facts_pulse_fails_stops_no_other(monkeypatch, function, kind):
    breaks_for(monkeypatch, judgement, function, "bad", raised(kind))

    judged = judge()

    assert judged.failures == {1: kind.__name__}
    good = judged.coverages[2][100]
    assert (good.state, good.freshness, good.last_good_epoch) == ("covered", "good", AT - 10 * HOUR)
    assert [job.id for job in judged.host_jobs[2]] == ["nightly"]
    assert judged.attributions[4]["main/|vm/777"].state == "unknown"


@pytest.mark.parametrize("kind", ERRORS, ids=lambda kind: kind.__name__)
@pytest.mark.parametrize("function", OF_A_SERVER)
def test_a_backup_server_over_whose_facts_pulse_fails_stops_no_other(monkeypatch, function, kind):
    breaks_for(monkeypatch, judgement, function, "bad-vault", raised(kind))

    judged = judge()

    assert judged.failures == {3: kind.__name__}
    assert {number: judged.coverages[number][100].freshness for number in (1, 2)} == {1: "good", 2: "good"}
    assert judged.attributions[4]["main/|vm/777"].state == "unknown"


@pytest.mark.parametrize("kind", ERRORS, ids=lambda kind: kind.__name__)
def test_an_instance_of_which_nothing_can_be_loaded_stops_no_other(db, fresh_store, monkeypatch, kind):
    bad, good = make_instance(name="bad"), make_instance(name="good")
    monkeypatch.setattr(
        evidence, "collected_of", lambda one: broken(kind) if one.pk == bad.pk else host(good.pk, "good")
    )

    assert judging.judge_if_due(NOON) is True

    judged = current.store().load(JUDGEMENT)
    assert judged.failures == {bad.pk: kind.__name__}
    assert judged.coverages[good.pk][100].freshness == "good"


def broken(kind):
    raise raised(kind)


def test_a_database_that_does_not_answer_is_no_fault_of_an_instance(db, fresh_store, monkeypatch):
    make_instance()
    monkeypatch.setattr(evidence, "collected_of", lambda one: broken(OperationalError))

    with pytest.raises(OperationalError):
        judging.judge_if_due(NOON)


@pytest.mark.parametrize("kind", ERRORS, ids=lambda kind: kind.__name__)
@pytest.mark.parametrize(
    ("function", "name"), [("of_host", "bad"), ("of_server", "bad-vault"), ("read_at_own", "bad-vault")]
)
def test_where_backups_are_is_told_of_the_others(monkeypatch, function, name, kind):
    breaks_for(monkeypatch, sources, function, name, raised(kind))

    told = sources.sources([BAD_HOST, GOOD_HOST], [BAD_SERVER, GOOD_SERVER], at=NOON)

    read = {one.instance for one in told if not one.reason and one.kind in ("storage", "datastore")}
    assert {"good", "good-vault"} <= read
    stumbled = {one.instance for one in told if one.reason == "internal_error"}
    assert stumbled == (set() if function == "read_at_own" else {name})


def test_a_failure_is_logged_once_and_again_when_it_is_another(monkeypatch, caplog):
    breaks_for(monkeypatch, judgement, "missed_jobs", "bad", KeyError("US/Nowhere"))
    first = judge()
    with caplog.at_level(logging.ERROR):
        caplog.clear()
        apart = judgement.Apart(before=first.failures)
        judgement.judge([BAD_HOST, GOOD_HOST], [], {}, version=2, at=NOON, apart=apart)
        assert caplog.messages == []
        monkeypatch.undo()
        breaks_for(monkeypatch, judgement, "missed_jobs", "bad", OSError("disk"))
        judgement.judge(
            [BAD_HOST, GOOD_HOST], [], {}, version=3, at=NOON, apart=judgement.Apart(before=first.failures)
        )

    assert caplog.messages == ["bad: its backups could not be judged"]


def test_a_failure_of_our_own_is_a_concern_that_names_no_more_than_its_kind():
    pve = pve_concerns(
        Figures(), instance="lab", storages=(), cluster=None, contradicted={}, facts=Facts(), polled={}, coverage={},
        judged_epoch=5.0, failure="KeyError", absent_since={}, at_epoch=AT,
    )  # fmt: skip
    pbs = pbs_concerns(
        datastores=(), datastores_epoch=0.0, wanted=(), missed={}, facts=Facts(), polled={},
        failure="KeyError", judged_epoch=5.0, at_epoch=AT,
    )  # fmt: skip

    text = "Pulse could not judge the backups here because of an error of its own (KeyError): see its log"
    assert [(one.code, one.text, str(one.about)) for one in (*pve, *pbs)] == [
        ("judging_failed", text, "instance /"),
        ("judging_failed", text, "server /"),
    ]


# --- time zones -----------------------------------------------------------------------------------------------------

#: Names of zones as hosts may tell them: whether this machine knows them.
ZONES = {
    "Etc/UTC": True,
    "Europe/Berlin": True,
    "": False,
    "Europe/Nowhere": False,
    "../../etc/passwd": False,
    "/etc/localtime": False,
    "UTC\x00": False,
    "Europe": False,
    "Ünïcode/Zone": False,
    "posixrules/x": False,
}  # fmt: skip


@pytest.mark.parametrize(("name", "is_known"), ZONES.items(), ids=[repr(name) for name in ZONES])
def test_a_zone_that_is_not_known_here_is_none_and_no_error(name, is_known):
    assert (zone_called(name) is not None) is is_known


@pytest.mark.parametrize("zone", [name for name, is_known in ZONES.items() if not is_known], ids=repr)
def test_a_host_with_an_unknown_zone_is_judged_and_so_are_the_others(zone):
    judged = judgement.judge([host(1, "bad", zone=zone), GOOD_HOST], [], {}, version=1, at=NOON)

    assert judged.failures == {}
    assert {number: judged.coverages[number][100].freshness for number in (1, 2)} == {1: "good", 2: "good"}


@pytest.mark.parametrize("kind", ERRORS, ids=lambda kind: kind.__name__)
def test_a_zone_over_which_the_library_stumbles_stops_no_other_host(monkeypatch, kind):
    real = missed.zone_called
    monkeypatch.setattr(
        missed, "zone_called", lambda name: broken(kind) if name == "Odd/Zone" else real(name)
    )

    judged = judgement.judge([host(1, "bad", zone="Odd/Zone"), GOOD_HOST], [], {}, version=1, at=NOON)

    assert judged.failures == {1: kind.__name__}
    assert judged.coverages[2][100].freshness == "good"
