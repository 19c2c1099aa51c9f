"""The state as a whole: complete, in the documented order, built once."""

from __future__ import annotations

import gzip
import threading

import msgspec

from monitoring.feed.state import WholeState
from monitoring.figures.guests import GuestFigures
from monitoring.figures.instances import Figures
from monitoring.figures.nodes import NodeFigures
from monitoring.figures.servers import ServerFigures
from monitoring.wire.fragments import Fragment, FragmentKey, items_of
from monitoring.wire.ids import Label
from monitoring.wire.instances import shapes_of
from monitoring.wire.shapes import ConcernShape, Shapes

#: The contract's keys, and `pmg` and `concerns`, which it does not know.
KEYS = {
    "pmg", "concerns", "nodes", "vms", "containers", "storage", "pbs", "pbsBackups", "metrics", "pveBackups", "performance",
    "connectionHealth", "stats", "activeAlerts", "recentlyResolved", "lastUpdate",
}  # fmt: skip


def fragment(pk, name, *, version=1, vmids=(), nodes=(), number=0, is_healthy=True, shapes=None, **fields):
    figures = Figures(
        nodes=tuple(NodeFigures(node, "online") for node in nodes),
        guests=tuple(GuestFigures(vmid, "qemu", "pve1", "running") for vmid in vmids),
    )
    shown = shapes or shapes_of(figures, (), Label(name))
    return Fragment(
        FragmentKey(pk, "resources"),
        version,
        name,
        name,
        is_healthy,
        items_of(shown, number=number),
        **{"polled_epoch": 1767268800.0, "calls": 3} | fields,
    )


def keyed(*fragments):
    return {one.key: one for one in fragments}


def built(*fragments, clients=0):
    return WholeState(started_epoch=0.0).build(keyed(*fragments), clients=clients)


def decoded(*fragments, clients=0):
    return msgspec.json.decode(built(*fragments, clients=clients).body)


def test_the_empty_state_has_every_key():
    empty = decoded()

    assert set(empty) == KEYS
    assert list(empty)[:7] == ["nodes", "vms", "containers", "storage", "pbs", "pmg", "concerns"]
    assert empty["pveBackups"] == {"backupTasks": [], "storageBackups": [], "guestSnapshots": []}
    lists = ("nodes", "vms", "containers", "storage", "pbs", "pmg", "metrics", "concerns")
    assert [empty[name] for name in lists] == [[]] * 8


def test_resources_of_all_instances_are_in_the_documented_order():
    told = decoded(
        fragment(1, "b-lab", vmids=(100, 300), nodes=("z", "a")),
        fragment(2, "a-lab", vmids=(100, 200), nodes=("m",)),
    )

    assert [one["id"] for one in told["vms"]] == [
        "a-lab-pve1-100", "b-lab-pve1-100", "a-lab-pve1-200", "b-lab-pve1-300",
    ]  # fmt: skip
    assert [one["name"] for one in told["nodes"]] == ["a", "m", "z"]


def test_backup_servers_are_in_the_order_of_their_creation():
    silent = Figures(server=ServerFigures("offline", "unhealthy"))
    first, second = (shapes_of(silent, (), Label(name)) for name in ("zeta", "alpha"))

    told = decoded(fragment(5, "alpha", number=1, shapes=second), fragment(9, "zeta", number=0, shapes=first))

    assert [one["name"] for one in told["pbs"]] == ["zeta", "alpha"]


def test_critical_concerns_come_first_then_by_instance():
    def about(instance, level):
        return ConcernShape(f"{instance}||{level}|", instance, "", level, level, "", "", "")

    found = [(about("b-lab", "warning"), about("b-lab", "critical")), (about("a-lab", "warning"),)]
    told = decoded(
        *(
            fragment(number, "lab", shapes=Shapes(concerns=shapes))
            for number, shapes in enumerate(found, start=1)
        )
    )

    assert [(one["level"], one["instance"]) for one in told["concerns"]] == [
        ("critical", "b-lab"), ("warning", "a-lab"), ("warning", "b-lab"),
    ]  # fmt: skip


def test_health_and_counts_come_from_every_instance():
    told = decoded(fragment(1, "lab"), fragment(2, "lab-2", is_healthy=False))

    assert told["connectionHealth"] == {"lab": True, "lab-2": False}
    assert told["performance"]["totalApiCalls"] == 6
    assert told["lastUpdate"] == "2026-01-01T12:00:00Z"
    assert told["stats"]["version"] == "v0.1.0"


def test_the_time_of_the_state_is_the_end_of_the_newest_poll():
    told = decoded(
        fragment(1, "lab", polled_epoch=1767268800.0, poll_seconds=1.25, cycles=3),
        fragment(2, "lab-2", polled_epoch=1767268790.0, poll_seconds=0.5, cycles=7),
    )

    assert told["lastUpdate"] == "2026-01-01T12:00:01.250Z"
    assert told["performance"]["pollingStartTime"] == "2026-01-01T12:00:00Z"
    assert told["performance"]["lastPollDuration"] == 1.25
    assert told["performance"]["apiCallDuration"] == {"lab": 1.25, "lab-2": 0.5}
    assert told["stats"]["pollingCycles"] == 7


def test_before_the_first_poll_its_start_is_the_zero_time():
    assert decoded()["performance"]["pollingStartTime"] == "0001-01-01T00:00:00Z"


class Noting(WholeState):
    """A state that notes with how many instances it is built."""

    def __init__(self):
        super().__init__(started_epoch=0.0)
        self.builds = []

    def build(self, fragments, *, clients):
        self.builds.append(len(fragments))
        return super().build(fragments, clients=clients)


def test_a_state_is_built_once_for_all_threads():
    state = Noting()
    known = keyed(fragment(1, "lab", vmids=(100,)))

    threads = [threading.Thread(target=state.document, args=(known,)) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert state.builds == [1]


def test_a_state_is_built_anew_when_an_instance_comes_changes_or_goes():
    state = Noting()
    one, two = fragment(1, "lab"), fragment(2, "lab-2")
    renewed = fragment(1, "lab", version=2)

    for known in ((one,), (one, two), (renewed, two), (renewed, two), (renewed,)):
        state.document(keyed(*known))

    assert state.builds == [1, 2, 2, 1]


def test_the_number_of_clients_is_told():
    state, known = WholeState(started_epoch=0.0), keyed(fragment(1, "lab"))
    before = state.document(known)
    state.clients = 3

    after = state.document(known)

    assert msgspec.json.decode(before.body)["stats"]["webSocketClients"] == 0
    assert msgspec.json.decode(after.body)["stats"]["webSocketClients"] == 3
    assert before.etag != after.etag


def test_a_new_version_of_a_fragment_changes_the_etag():
    state = WholeState(started_epoch=0.0)
    one, same = (state.build(keyed(fragment(1, "lab")), clients=0) for _ in range(2))
    other = state.build(keyed(fragment(1, "lab", version=2)), clients=0)

    assert one.etag == same.etag
    assert one.etag != other.etag


def test_the_compressed_form_is_the_same_state():
    document = built(fragment(1, "lab", vmids=range(100, 200)))

    assert gzip.decompress(document.gzipped()) == document.body
