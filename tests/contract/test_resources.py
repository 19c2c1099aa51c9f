"""GET /api/resources/<id> and .../explain: our own routes about one resource."""

from __future__ import annotations

import re
from urllib.parse import quote

import pytest
import time_machine

from monitoring.store import saved
from tests.factories import make_instance
from tests.monitoring.collected import facts_of, forget_time, judge, moment, paths, turn, with_token
from tests.monitoring.conftest import Watched

pytestmark = [pytest.mark.django_db, pytest.mark.slow, pytest.mark.usefixtures("fresh_store")]


@pytest.fixture
def lab(fake_cluster):
    """A cluster `lab` of which everything is known."""
    watched = with_token(Watched(fake_cluster), fake_cluster)
    turn(watched, times=8)
    judge(watched)
    watched.poll(after=10)
    return watched


@pytest.fixture
def ask(api):
    """Ask for a resource, at the instant of its last poll."""

    def get(watched, identity, suffix=""):
        with time_machine.travel(moment(watched), tick=False):
            return api.get(f"/api/resources/{quote(identity)}{suffix}")

    return get


def machine(lab):
    return next(one for one in lab.shown("vms") if one["status"] == "running")


def test_a_guest_as_the_state_has_it_with_all_that_was_collected(lab, ask):
    guest = machine(lab)

    response = ask(lab, guest["id"])

    told = response.json()
    details = told["details"]
    assert (response.status_code, response.headers["Content-Type"]) == (200, "application/json")
    assert response.headers["Cache-Control"] == "no-store"
    assert (told["id"], told["collection"], told["resource"]) == (guest["id"], "vms", guest)
    assert details["configuration"]["agentIsEnabled"] is True
    assert details["configurationRead"].startswith("2026-01-01T12:0")
    assert len(details["filesystems"]["filesystems"]) > 0
    assert details["agentCode"] == ""
    assert details["backups"]["state"] in ("covered", "uncovered")


def test_a_resource_tells_what_is_wrong_with_it_and_a_node_what_is_with_its_cluster(lab, ask):
    lab.server.set_pool_health("pve-02", "rpool", "DEGRADED")
    lab.server.set_ceph(health="HEALTH_WARN", checks={"OSD_DOWN": "1 osds down"})
    forget_time(lab, "disks", "ceph")
    turn(lab)
    lab.poll(after=10)

    def texts(identity):
        return [one["text"] for one in ask(lab, identity).json()["details"]["concerns"]]

    assert texts("lab-pve-01") == ["Ceph: 1 osds down (OSD_DOWN)"]
    pool = "ZFS pool rpool is degraded: nvme1n1p3 is faulted (too many errors)"
    assert texts("lab-pve-02") == [pool, "Ceph: 1 osds down (OSD_DOWN)"]
    assert texts(machine(lab)["id"]) == texts(lab.shown("storage")[0]["id"]) == []


@pytest.mark.parametrize("collection", ["nodes", "containers", "storage"])
def test_every_kind_of_resource_has_details(collection, lab, ask):
    shown = lab.shown(collection)[0]

    told = ask(lab, shown["id"]).json()

    assert (told["collection"], told["resource"]) == (collection, shown)
    assert told["details"]


def test_a_node_tells_its_version_disks_and_time_zone(lab, ask):
    told = ask(lab, lab.shown("nodes")[0]["id"]).json()["details"]

    assert (told["timeZone"], told["versionsDiffer"], told["quorum"]) == ("Europe/Vienna", False, True)
    assert set(told["clusterVersions"]) == {"pve-01", "pve-02", "pve-03"}
    assert told["disks"]
    assert told["certificates"]


def test_the_status_of_a_node_is_as_old_as_its_last_reading_not_as_the_last_question(fake_pve, ask):
    watched = with_token(Watched(fake_pve), fake_pve.site)
    watched.poll()
    node = watched.shown("nodes")[0]["id"]
    fake_pve.faults.add("595", path="/nodes/*/status")
    fake_pve.traffic.reset()
    turn(watched, after=60, times=3)

    told = ask(watched, node).json()["details"]

    assert sum(path.endswith("/status") and path.startswith("/nodes/") for path in paths(fake_pve)) == 1
    assert told["statusRead"] == "2026-01-01T12:00:00Z"
    assert told["status"]["kernelVersion"]


QDEVICE = {
    "model": "Net",
    "host": "192.0.2.53:5403",
    "state": "Connected",
    "connected": True,
    "castsVote": True,
    "votes": 2,
    "algorithm": "LMS",
    "tieBreaker": "Node with lowest node ID",
}


def quorum(lab, ask):
    """What a node tells of the quorum, read anew."""
    forget_time(lab, "quorum")
    turn(lab, times=2)
    return ask(lab, lab.shown("nodes")[0]["id"]).json()["details"]["quorumDetail"]


def test_a_node_tells_the_votes_of_its_cluster(lab, ask):
    told = quorum(lab, ask)

    assert told.pop("votesRead").startswith("2026-01-01T12:0")
    assert told.pop("qdeviceRead").startswith("2026-01-01T12:0")
    assert told == {
        "name": "production",
        "configVersion": 3,
        "expectedVotes": 3,
        "presentVotes": 3,
        "neededVotes": 2,
        "nodes": [{"node": f"pve-0{number}", "votes": 1, "online": True} for number in (1, 2, 3)],
        "qdevice": None,
        "qdeviceKnown": True,
        "seenFrom": "pve-01",
    }


def test_a_qdevice_is_told_with_its_votes(lab, fake_cluster, ask):
    fake_cluster.set_qdevice(algorithm="LMS")

    told = quorum(lab, ask)

    assert told["qdevice"].pop("lastPoll").endswith(" (cast vote)")
    assert told["qdevice"] == QDEVICE
    assert (told["expectedVotes"], told["presentVotes"], told["neededVotes"]) == (5, 5, 3)


def test_a_qdevice_that_is_not_connected_is_told(lab, fake_cluster, ask):
    fake_cluster.set_qdevice(algorithm="LMS", state="Connect failed")
    fake_cluster.kill_node("pve-03")

    told = quorum(lab, ask)

    assert (told["qdevice"]["state"], told["qdevice"]["connected"]) == ("Connect failed", False)
    assert (told["expectedVotes"], told["presentVotes"], told["neededVotes"]) == (5, 2, 3)
    assert told["nodes"][2] == {"node": "pve-03", "votes": 1, "online": False}


def test_votes_are_not_told_once_nobody_knows_whether_the_qdevice_is_there(lab, ask):
    facts_of(lab).qdevice_epoch = moment(lab).timestamp() - 901

    told = ask(lab, lab.shown("nodes")[0]["id"]).json()["details"]["quorumDetail"]

    assert (told["qdeviceKnown"], told["expectedVotes"], told["neededVotes"]) == (False, None, None)


def test_a_host_of_its_own_has_no_quorum_to_tell_of(fake_pve, ask):
    watched = with_token(Watched(fake_pve), fake_pve.site)
    turn(watched, times=4)

    told = ask(watched, watched.shown("nodes")[0]["id"]).json()["details"]

    assert (told["quorum"], told["quorumDetail"]) == (None, None)


@pytest.fixture
def replicated(lab, fake_cluster):
    """The cluster with guest 101 replicated from pve-02 to pve-03, another job of it disabled."""
    fake_cluster.set_replication(101, target="pve-03", fail_count=2, error="no route to host")
    fake_cluster.set_replication(101, number=1, target="pve-01", is_disabled=True)
    forget_time(lab, "replication")
    turn(lab, times=3)
    return lab


def told_of_replication(lab, ask):
    """What the guest and its node tell: (id, state, source, target, error) and when it was read."""
    guest = lab.guests()[101]
    of_guest = ask(lab, guest["id"]).json()["details"]["replication"]
    node = next(one for one in lab.shown("nodes") if one["name"] == guest["node"])
    assert ask(lab, node["id"]).json()["details"]["replication"] == of_guest
    fields = ("id", "state", "source", "target", "error")
    return [tuple(job[name] for name in fields) for job in of_guest], {job["read"][:15] for job in of_guest}


def test_a_guest_and_its_node_tell_each_replication_job(replicated, ask):
    jobs, read = told_of_replication(replicated, ask)

    assert jobs == [
        ("101-0", "failing", "pve-02", "pve-03", "no route to host"),
        ("101-1", "disabled", "pve-02", "pve-01", ""),
    ]
    assert read == {"2026-01-01T12:0"}


def test_a_job_of_a_node_that_cannot_be_asked_is_unknown_and_keeps_what_was_told_last(
    replicated, fake_cluster, ask
):
    for server in fake_cluster.servers:
        server.faults.add("595", path="/nodes/pve-02/replication")

    turn(replicated, times=32)

    jobs, read = told_of_replication(replicated, ask)
    assert jobs == [
        ("101-0", "unknown", "pve-02", "pve-03", "no route to host"),
        ("101-1", "disabled", "pve-02", "pve-01", ""),
    ]
    assert read == {"2026-01-01T12:0"}


def test_a_node_that_replicates_nothing_tells_no_job(replicated, ask):
    other = next(one for one in replicated.shown("nodes") if one["name"] == "pve-01")

    assert ask(replicated, other["id"]).json()["details"]["replication"] == []


def test_a_container_tells_its_mount_points_without_their_use(fake_pve, ask):
    watched = with_token(Watched(fake_pve), fake_pve.site)
    watched.poll()
    guest = watched.guests()[108]
    before = ask(watched, guest["id"]).json()["details"]["mountPoints"]
    turn(watched, times=8)

    told = ask(watched, guest["id"]).json()["details"]["mountPoints"]

    assert before is None
    assert told == [
        {
            "key": "mp0",
            "mountPoint": "/srv/shared",
            "volume": "/mnt/shared",
            "size": None,
            "used": None,
            "reason": "not_told",
        },
        {
            "key": "mp1",
            "mountPoint": "/srv/data",
            "volume": "local-zfs:subvol-108-disk-1",
            "size": 68_719_476_736,
            "used": None,
            "reason": "not_told",
        },
    ]


def test_a_virtual_machine_has_no_mount_points(lab, ask):
    assert ask(lab, machine(lab)["id"]).json()["details"]["mountPoints"] == []


def test_a_pbs_tells_whose_its_groups_are_and_why(fake_pbs, ask):
    watched = Watched(fake_pbs, "pbs")
    turn(watched, times=4)
    judge(watched)
    watched.poll(after=10)

    told = ask(watched, "pbs-vault").json()

    assert set(told["details"]["places"]) == {"/".join(key) for key in facts_of(watched).backups}
    whose = next(iter(told["details"]["attributions"].values()))
    assert set(whose) == {"state", "instance", "vmid", "evidence", "candidates", "guestIsKnown", "born"}


ENDS = {
    "OK": "ok",
    "WARNINGS: 2": "warning",
    "WARNINGS: many": "failed",
    "job errors": "failed",
    "unexpected status": "unknown",
}


def told_ends(site, start):
    """Let tasks end in each way, and one run on; `start(n)` begins one. Returns what is to be told of them."""
    for number, status in enumerate(ENDS):
        site.finish_task(start(number), status)
    start(len(ENDS))
    return ENDS | {"": "running"}


def ends(told, kind):
    """What a resource tells of its tasks of a kind: outcome by the text of Proxmox."""
    return {task["status"]: task["outcome"] for task in told["details"]["tasks"] if task["kind"] == kind}


def test_a_guest_and_its_node_tell_how_each_task_ended(lab, fake_cluster, ask):
    guest = machine(lab)
    expected = told_ends(
        fake_cluster, lambda _: fake_cluster.start_task(guest["node"], "qmreboot", str(guest["vmid"]))
    )
    forget_time(lab, "tasks")
    turn(lab)

    node = next(one for one in lab.shown("nodes") if one["name"] == guest["node"])
    for identity in (guest["id"], node["id"]):
        assert ends(ask(lab, identity).json(), "qmreboot") == expected


def test_a_pbs_tells_how_each_task_ended(fake_pbs, ask):
    watched = Watched(fake_pbs, "pbs")
    # Two tasks of one kind and second are told apart by what they are about.
    expected = told_ends(fake_pbs.site, lambda number: fake_pbs.site.start_task("verify", f"main:{number}"))
    turn(watched, times=4)

    assert ends(ask(watched, "pbs-vault").json(), "verify") == expected


def test_the_last_backup_of_a_guest_tells_how_it_ended(lab, fake_cluster, ask):
    guest = machine(lab)
    upid = fake_cluster.start_task(guest["node"], "vzdump", str(guest["vmid"]))
    fake_cluster.finish_task(upid, "WARNINGS: 1")
    forget_time(lab, "tasks")
    turn(lab)
    judge(lab)

    run = ask(lab, guest["id"]).json()["details"]["backups"]["lastRun"]

    assert (run["status"], run["outcome"]) == ("WARNINGS: 1", "warning")


def test_a_pbs_tells_of_its_machine(fake_pbs, ask):
    watched = Watched(fake_pbs, "pbs")
    turn(watched, times=4)

    told = ask(watched, "pbs-vault").json()["details"]

    status = told["status"]
    assert (status["cpuModel"], status["cpuCount"]) == ("Intel(R) Xeon(R) E-2334 CPU @ 3.40GHz", 8)
    assert (status["bootMode"], status["isSecureBoot"], len(status["loadAverage"])) == ("efi", False, 3)
    assert (status["swapTotalBytes"], status["rootTotalBytes"]) == (8 << 30, 225 << 30)
    assert told["statusRead"] == "2026-01-01T12:00:40Z"
    assert [one["package"] for one in told["updates"]] == ["openssl", "proxmox-backup-server"]
    assert (told["mayReadUpdates"], told["updatesRead"]) == (True, "2026-01-01T12:00:10Z")
    assert told["subscriptionRead"] == "2026-01-01T12:00:10Z"


def test_a_pbs_tells_of_the_upkeep_of_its_datastores(fake_pbs, ask):
    fake_pbs.site.set_datastore(
        "main", maintenance='type=read-only,message="until friday"', comment="nightly"
    )
    fake_pbs.site.set_datastore("archive", is_left_out=True)
    watched = Watched(fake_pbs, "pbs", monitor_garbage_jobs=True)
    turn(watched, times=4)

    told = ask(watched, "pbs-vault").json()["details"]

    stores = {one["name"]: one for one in told["datastores"]}
    assert {name: stores["main"][name] for name in ("comment", "maintenance", "maintenanceMessage")} == {
        "comment": "nightly",
        "maintenance": "read-only",
        "maintenanceMessage": "until friday",
    }
    assert (stores["main"]["badChunks"], stores["archive"]["badChunks"]) == (0, None)
    assert stores["main"]["collected"] == "2026-01-01T00:00:00Z"
    assert told["datastoresRead"] == "2026-01-01T12:00:10Z"
    assert sorted(one["store"] for one in told["garbage"]) == ["archive", "main", "offsite"]
    assert told["garbageRead"] == "2026-01-01T12:00:10Z"


def test_a_mail_gateway_tells_of_its_nodes_and_queues(fake_pmg, ask):
    fields = {"host": fake_pmg.url, "user": fake_pmg.user, "password": fake_pmg.password}
    watched = Watched.__new__(Watched)
    watched.server, watched.seconds = fake_pmg, 0
    watched.instance = make_instance("pmg", name="mail", **fields)
    watched.poll()

    told = ask(watched, "pmg-mail").json()["details"]

    assert [(one["name"], one["version"]) for one in told["nodes"]] == [
        ("mail", "pmg-api/9.1.0/09158948b9568e81")
    ]
    assert told["nodesRead"] == told["queuesRead"] == told["statisticsRead"] == "2026-01-01T12:00:00Z"
    assert {one["queue"] for one in told["queues"]["mail"]} == {"active", "deferred"}


# --- how it is spelled --------------------------------------------------------------------------------------------

#: Whose keys are names of nodes, namespaces and groups.
BY_NAME = {"clusterVersions", "places", "attributions", "queues"}
KINDS = ["nodes", "vms", "containers", "storage", "pbs", "pmg"]


def keys_in(value, name=""):
    """Every key of ours in an answer, with the value under it."""
    if isinstance(value, list):
        return [pair for one in value for pair in keys_in(one, name)]
    if not isinstance(value, dict):
        return []
    own = [] if name in BY_NAME else list(value.items())
    return own + [pair for key, one in value.items() for pair in keys_in(one, "" if name in BY_NAME else key)]


@pytest.mark.parametrize("kind", KINDS)
def test_an_answer_has_one_spelling(kind, described_estate, ask):
    answer = ask(described_estate.pve, described_estate.identity(kind)).json()

    pairs = keys_in(answer)
    assert [
        key for key, _ in pairs if not re.fullmatch("[a-z][a-zA-Z0-9]*", key) or key.endswith("Epoch")
    ] == []
    assert {"resource", "details", "concerns"} <= {key for key, _ in pairs}
    read = {key: value for key, value in answer["details"].items() if key.endswith("Read") and value}
    assert [value for value in read.values() if not re.fullmatch(r"2026-01-01T12:0\d:\d\dZ", value)] == []
    assert len(read) >= 1


# --- explained ----------------------------------------------------------------------------------------------------

NUMBERS = {
    "vms": ["cpu", "memory", "disk", "networkIn", "networkOut", "diskRead", "diskWrite", "uptime"],
    "nodes": ["cpu", "memory", "disk", "loadAverage", "uptime", "pressure"],
    "storage": ["used", "total", "usage", "free"],
}


@pytest.mark.parametrize(("collection", "names"), NUMBERS.items())
def test_every_number_is_explained_with_formula_fields_call_and_time(collection, names, lab, ask):
    shown = lab.shown(collection)[0] if collection != "vms" else machine(lab)

    told = ask(lab, shown["id"], "/explain").json()

    assert (told["id"], told["collection"]) == (shown["id"], collection)
    assert [one["name"] for one in told["numbers"]] == names
    assert all(one["formula"] and one["unit"] and "GET /" in one["call"] for one in told["numbers"])
    assert all(one["readAt"].startswith("2026-01-01T12:0") for one in told["numbers"])


def test_what_is_explained_is_what_is_shown(lab, ask):
    guest = machine(lab)

    told = {one["name"]: one for one in ask(lab, guest["id"], "/explain").json()["numbers"]}

    assert told["cpu"]["value"] == guest["cpu"] == told["cpu"]["raw"]["cpu"]
    assert told["memory"]["value"] == guest["memory"]
    assert told["disk"]["value"] == guest["disk"]
    assert told["disk"]["source"] == "agent"
    assert told["cpu"]["ageSeconds"] == 0
    assert told["networkIn"]["value"] == guest["networkIn"] >= 0


# --- ids ----------------------------------------------------------------------------------------------------------


def test_the_id_of_before_a_migration_still_leads_to_the_guest(lab, fake_cluster, ask):
    guest = machine(lab)
    target = next(node["name"] for node in lab.shown("nodes") if node["name"] != guest["node"])

    fake_cluster.migrate_guest(guest["vmid"], target)
    lab.poll(after=10)

    for suffix in ("", "/explain"):
        assert ask(lab, guest["id"], suffix).json()["id"] == f"lab-{target}-{guest['vmid']}"


def test_a_number_behind_a_node_that_never_was_leads_nowhere(lab, ask):
    assert ask(lab, f"lab-elsewhere-{machine(lab)['vmid']}").status_code == 404


def test_the_number_of_another_instance_leads_nowhere(lab, ask):
    make_instance(name="other")

    assert ask(lab, f"other-pve-01-{machine(lab)['vmid']}").status_code == 404


UNKNOWN = ["nothing", "lab-pve-01-999", "lab-pve-01-²", f"lab-pve-01-{'9' * 5000}", "-1", "a/b", "%00"]


@pytest.mark.parametrize("suffix", ["", "/explain"])
@pytest.mark.parametrize("identity", UNKNOWN, ids=range(7))
def test_an_unknown_id_is_404(identity, suffix, lab, ask):
    response = ask(lab, identity, suffix)

    assert (response.status_code, response.json()["code"]) == (404, "resource_not_found")
    assert len(response.content) < 1000


# --- refusals -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", ["post", "put", "patch", "delete"])
@pytest.mark.parametrize("suffix", ["", "/explain"])
def test_other_methods_are_405(suffix, method, api):
    assert getattr(api, method)(f"/api/resources/x{suffix}").status_code == 405


@pytest.mark.parametrize("suffix", ["", "/explain"])
def test_nobody_is_served_without_the_right_to_read(suffix, lab, remote, token_client):
    route = f"/api/resources/{machine(lab)['id']}{suffix}"

    assert remote.get(route).status_code == 401
    assert token_client("settings:read").get(route).status_code == 403
    assert token_client("monitoring:read").get(route).status_code == 200


def test_no_secret_is_told(lab, fake_cluster, ask):
    for collection in ("nodes", "vms", "storage"):
        shown = lab.shown(collection)[0]
        for suffix in ("", "/explain"):
            assert fake_cluster.token_value.encode() not in ask(lab, shown["id"], suffix).content


def test_nothing_was_collected_yet(fake_cluster, ask):
    watched = with_token(Watched(fake_cluster), fake_cluster)
    watched.poll()

    told = ask(watched, machine(watched)["id"]).json()

    assert (told["details"]["configuration"], told["details"]["backups"]) == (None, None)
    assert told["details"]["configurationRead"] is None
    assert saved.facts_of(watched.instance) is None
