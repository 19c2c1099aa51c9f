"""Every field that a reader asks for is one that Proxmox sends: recorded from a server, published, or named with its source."""

from __future__ import annotations

import ast
import re
from pathlib import Path
from typing import Any

import pytest

from nodes.proxmox.errors import BadAnswer
from tests.nodes.readers import READERS, VERSIONS, Source, recorded_answers
from tests.nodes.recorded import schema_paths

pytestmark = pytest.mark.slow

PROXMOX = Path(__file__).resolve().parents[2] / "nodes" / "proxmox"
READING_MODULES = (
    "access", "backup_server", "backups", "cluster", "guests", "hardware", "mail", "pbs", "pve", "software", "tasks",
)  # fmt: skip

#: Fields of answers that no schema describes and nobody has recorded: read in Proxmox's own source, or decided by Ceph
#: or the guest agent. Where: api-facts.md, section in brackets.
FROM_SOURCE: dict[str, set[str]] = {
    "pbs name": {"node"},  # [1.1]
    "guest snapshots": {"snapstate"},  # [4.1]
    "agent system": {  # as in the protocol of the guest agent
        "result", "result.pretty-name", "result.name", "result.id", "result.kernel-release", "result.machine",
    },
    "account": {"tokens.monitor.expire"},  # published as what any token has
    "agent filesystems": {  # [4.1]; the address of a disk as in the protocol of the guest agent
        "result", "result.name", "result.mountpoint", "result.type", "result.total-bytes", "result.used-bytes",
        "result.disk", "result.disk.serial", "result.disk.dev", "result.disk.bus-type", "result.disk.bus",
        "result.disk.target", "result.disk.unit", "result.disk.pci-controller", "result.disk.pci-controller.domain",
        "result.disk.pci-controller.bus", "result.disk.pci-controller.slot", "result.disk.pci-controller.function",
    },
    "virtual machines": {"ballooninfo.free_mem"},  # [3.2]
    "containers": {"ballooninfo.free_mem"},
    "tasks": {"tokenid"},  # [4.1]
    "storage definitions": {  # [4.1]
        "datastore", "disable", "fingerprint", "namespace", "nodes", "server", "shared", "username",
        # Of the plugins of PVE, which the schema of the list leaves out.
        "content-dirs", "export", "fs-name", "monhost", "server2", "share", "subdir", "volume",
    },
    "snapshots": {"files.filename", "files.size", "files.crypt-mode"},  # [11.2]: the schema says texts, and is wrong
    "ceph": {  # [4.1]; Ceph's own answer, old and new
        "health.overall_status", "health.summary", "health.summary.severity", "health.summary.summary",
        "health.checks.*.detail", "health.checks.*.detail.message",
        "health.checks.*.severity", "health.checks.*.muted", "health.checks.*.summary",
        "health.checks.*.summary.message", "monmap.mons", "osdmap.osdmap", "osdmap.osdmap.num_osds",
        "osdmap.osdmap.num_up_osds", "osdmap.osdmap.num_in_osds", "pgmap.pgs_by_state",
        "pgmap.pgs_by_state.state_name", "pgmap.pgs_by_state.count", "pgmap.read_bytes_sec",
        "pgmap.write_bytes_sec", "pgmap.read_op_per_sec", "pgmap.write_op_per_sec",
    },
    "osds": {  # the tree of `ceph osd tree`, to which PVE adds use and state
        "root.type", "root.children", "root.children.type", "root.children.children", "root.children.children.type",
        "root.children.children.name", "root.children.children.children",
        *(f"root.children.children.children.{key}" for key in (
            "type", "id", "name", "host", "status", "in", "percent_used", "total_space", "bytes_used", "device_class",
        )),
    },
    # corosync.conf as PVE/Corosync.pm parses it; and the lines that PVE/API2/ClusterConfig.pm takes from `status verbose` of
    # the QDevice daemon, which prints them in qdevice-ipc-cmd.c and qdevice-net-ipc-cmd.c.
    "votes": {"name", "nodeid", "quorum_votes"},
    "qdevice": {"Model", "QNetd host", "State", "Algorithm", "Tie-breaker", "Last poll call"},
    "replication jobs": {"last_try", "next_sync", "pid"},  # [4.1]
    "node replication": {"last_try", "next_sync", "pid"},
    # [7], [11.2]: no schema says what is in a row of averages.
    "node records": {"pressurecpufull"},
    "container records": {"memhost"},  # asked for because machines have it
    "storage records": {"time", "total", "used"},
    "datastore records": {"available", "time", "total", "used"},
    "server records": {
        "cpu", "iowait", "loadavg", "memtotal", "memused", "netin", "netout", "read_bytes", "swaptotal", "swapused", "time",
        "total", "used", "write_bytes",
    },
    "mail node records": {
        "cpu", "iowait", "loadavg", "memtotal", "memused", "netin", "netout", "roottotal", "rootused", "swaptotal",
        "swapused", "time",
    },
    "node history": {"pressurecpufull"},  # asked for because guests have it: nodes never do, [3.5]
    "zfs pool": {  # [4.1]: published for the first level of its tree
        f"children.children{key}"
        for key in ("", ".name", ".state", ".read", ".write", ".cksum", ".msg", ".children")
    },
    "mail nodes": {  # [12]
        "conn_error", "cpu", "insync", "level", "loadavg", "memory", "memory.used", "memory.total", "pmgversion",
        "rootfs", "rootfs.used", "rootfs.total", "uptime", "swap", "swap.used", "swap.total", "time", "kversion",
        "current-kernel", "current-kernel.release",
    },
    "mail queue": {"domain", "total"},  # [12]
}  # fmt: skip

#: Keys inside property strings, which are no fields of an answer.
PROPERTY_KEYS = {"backup", "current", "enabled", "file", "media", "message", "mp", "size", "type", "volume"}
#: Kinds of rows that the reader of high availability keeps by their names; and what an agent says of a refusal.
OTHER_KEYS = {"fencing", "master", "quorum", "desc"}
#: What a reader makes of names that are data: checks of Ceph, privileges.
DATA_NAME = re.compile(r"[A-Z][A-Z_]{3,}")


class Asked(dict[str, Any]):
    """An object of an answer that remembers which of its fields were asked for."""

    def __init__(self, values: dict[str, Any], path: str, log: set[str]) -> None:
        super().__init__({key: asking(value, joined(path, key), log) for key, value in values.items()})
        self.path = path
        self.log = log

    def get(self, key: str, default: Any = None) -> Any:
        """Return a field, and note that it was asked for."""
        self.log.add(joined(self.path, key))
        return super().get(key, default)


def asking(value: Any, path: str, log: set[str]) -> Any:
    """Return plain data whose objects remember what they are asked for; lists add nothing to the path."""
    if isinstance(value, dict):
        return Asked(value, path, log)
    return [asking(entry, path, log) for entry in value] if isinstance(value, list) else value


def joined(path: str, key: str) -> str:
    """Return the path of a field below another one."""
    place = "*" if DATA_NAME.fullmatch(key) else key
    return f"{path}.{place}" if path else place


def asked_fields(source: Source, answers: list[Any]) -> set[str]:
    """Return the paths of all fields that a reader asks for in these answers."""
    log: set[str] = set()
    for answer in answers:
        try:
            source.read(asking(answer, "", log))
        except BadAnswer:
            continue
    return log


def sent_fields(value: Any, path: str = "") -> set[str]:
    """Return the paths of all fields in an answer."""
    if isinstance(value, dict):
        below = [sent_fields(entry, joined(path, key)) for key, entry in value.items()]
        return {joined(path, key) for key in value}.union(*below)
    return set().union(*(sent_fields(entry, path) for entry in value)) if isinstance(value, list) else set()


def published_fields(schema: dict[str, Any], path: str = "") -> set[str]:
    """Return the paths of all fields that a schema describes."""
    found: set[str] = set()
    for word in ("oneOf", "anyOf", "allOf"):
        found |= set().union(*(published_fields(inner, path) for inner in schema.get(word, ())))
    for key, inner in (schema.get("properties") or {}).items():
        found |= {joined(path, key)} | published_fields(inner, joined(path, key))
    return found | (published_fields(schema["items"], path) if "items" in schema else set())


def known_fields(name: str) -> set[str]:
    """Return what servers have sent and what Proxmox has published for the calls of a reader."""
    alike = [
        other for other, source in READERS.items() if source.calls and source.calls == READERS[name].calls
    ]
    found: set[str] = set().union(
        *(sent_fields(answer) for other in {name, *alike} for answer in recorded_answers(other))
    )
    for product, path in READERS[name].calls:
        for version in VERSIONS[product]:
            if path in schema_paths(version):
                found |= published_fields(schema_paths(version)[path]["GET"]["returns"])
    return found


@pytest.mark.parametrize("name", sorted(READERS.keys() - {"permissions"}))  # where every name is data
def test_every_field_that_a_reader_asks_for_is_one_that_proxmox_sends(name: str) -> None:
    source = READERS[name]

    asked = asked_fields(source, [*source.samples(), *recorded_answers(name)])

    assert asked
    assert asked - known_fields(name) == FROM_SOURCE.get(name, set())


def test_no_field_escapes_the_question_where_it_comes_from() -> None:
    asked = {
        path.rpartition(".")[2]
        for name, source in READERS.items()
        for path in asked_fields(source, [*source.samples(), *recorded_answers(name)])
    }
    modules = [PROXMOX / f"{module}.py" for module in READING_MODULES]

    written = {key for path in modules for key in written_fields(path)}
    declared = {key for path in PROXMOX.glob("readings/*.py") for key in written_fields(path)}

    assert len(declared) > 150
    assert len(written) > 80
    assert (written | declared) - asked == (PROPERTY_KEYS | OTHER_KEYS) - asked


def written_fields(path: Path) -> set[str]:
    """Return the names of fields in the code of a module: what `get` is called with, and the keys of declared fields."""
    nodes = list(ast.walk(ast.parse(path.read_text(encoding="utf-8"))))
    calls = [node for node in nodes if isinstance(node, ast.Call)]
    keys = [
        *(call.args[0] for call in calls if call.args and _name_of(call.func) == "get"),
        *(key for call in calls if _name_of(call.func) == "first" for key in call.args[1:]),
        *(
            key
            for call in calls
            for word in call.keywords
            if _is_declared(word)
            for key in word.value.elts[1:]
        ),
        *(key for node in nodes if isinstance(node, ast.Subscript) for key in _annotated(node)),
    ]
    return {key.value for key in keys if isinstance(key, ast.Constant) and isinstance(key.value, str)}


def _is_declared(word: ast.keyword) -> bool:
    """Return whether a keyword declares how a field is read: (converter, key, ...)."""
    return isinstance(word.value, ast.Tuple) and word.arg != "by"


def _annotated(node: ast.Subscript) -> list[ast.expr]:
    """Return what stands beside the type in `Annotated[type, converter, key, ...]`."""
    is_declared = _name_of(node.value) == "Annotated" and isinstance(node.slice, ast.Tuple)
    return node.slice.elts[1:] if is_declared else []


def _name_of(function: ast.expr) -> str:
    if isinstance(function, ast.Attribute):
        return function.attr
    return function.id if isinstance(function, ast.Name) else ""
