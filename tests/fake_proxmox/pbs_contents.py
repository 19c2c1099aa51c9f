"""The calls of Proxmox Backup Server about what lies in a datastore."""

from __future__ import annotations

from tests.fake_proxmox.calls import ApiFailure, Call
from tests.fake_proxmox.contents import GroupKey, Snapshot
from tests.fake_proxmox.figures import Row
from tests.fake_proxmox.model import Datastore
from tests.fake_proxmox.pbs import backup_server_of, call, sizes

_DEPTH = 7
_FILES = {
    "vm": (("qemu-server.conf.blob", 0.0), ("drive-scsi0.img.fidx", 1.0), ("client.log.blob", 0.0)),
    "ct": (
        ("pct.conf.blob", 0.0),
        ("catalog.pcat1.didx", 0.001),
        ("root.pxar.didx", 0.999),
        ("client.log.blob", 0.0),
    ),
    "host": (("catalog.pcat1.didx", 0.001), ("root.pxar.didx", 0.999)),
}
_SMALL_BYTES = 431


def _store_of(request: Call) -> Datastore:
    """Return the datastore of the path; it fails for one that cannot be read."""
    name = request.names["store"]
    store = backup_server_of(request).datastores.get(name)
    if store is None:
        raise ApiFailure(400, f"no such datastore '{name}'")
    if store.closed_text:
        raise ApiFailure(400, f"datastore '{name}' is unavailable: {store.closed_text}")
    if store.mount_status == "notmounted":
        raise ApiFailure(400, f"datastore '{name}' is not mounted")
    if store.error:
        raise ApiFailure(400, store.error)
    return store


def _place(store: str, namespace: str) -> str:
    return f"/datastore/{store}/{namespace}" if namespace else f"/datastore/{store}"


def _snapshots(request: Call) -> list[Snapshot]:
    """Return the snapshots of the namespace that the caller may see: all, or those of its own groups."""
    name, namespace = request.names["store"], request.parameters.get("ns", "")
    place = _place(name, namespace)
    sees_all = request.may(place, "Datastore.Audit")
    if not sees_all:
        request.demand(place, "Datastore.Backup")
    store = _store_of(request)
    if namespace not in request.site.contents.namespaces(store):
        raise ApiFailure(400, f"namespace '{namespace}' not found in datastore '{name}'")
    found = request.site.snapshots(store, namespace, request.now)
    if sees_all:
        return list(found)
    assert request.account is not None
    return [snapshot for snapshot in found if snapshot.owner == request.account.name]


@call("GET", "/admin/datastore/{store}/namespace", parameters=("parent", "max-depth"))
def namespaces(request: Call) -> list[Row]:
    """The namespaces of a datastore that the caller may see; the root has an empty name."""
    store = _store_of(request)
    parent = request.parameters.get("parent", "")
    depth = request.number("max-depth", _DEPTH)
    rows = []
    for name in request.site.contents.namespaces(store):
        below = name.removeprefix(parent).strip("/")
        if name != parent and not name.startswith(f"{parent}/" if parent else ""):
            continue
        if (below.count("/") + 1 if below else 0) > depth:
            continue
        if request.may(_place(store.name, name), "Datastore.Audit", "Datastore.Modify", "Datastore.Backup"):
            comment = store.namespace_comments.get(name)
            rows.append({"ns": name, "comment": comment} if comment else {"ns": name})
    if not rows:
        raise ApiFailure(403, "permission check failed")
    return rows


@call("GET", "/admin/datastore/{store}/groups", parameters=("ns",))
def groups(request: Call) -> list[Row]:
    """The groups of one namespace, without those below it."""
    found: dict[GroupKey, list[Snapshot]] = {}
    for snapshot in _snapshots(request):
        found.setdefault(snapshot.key, []).append(snapshot)
    rows = []
    for (kind, name), members in found.items():
        finished = [snapshot for snapshot in members if snapshot.is_finished]
        newest = max(finished or members, key=lambda snapshot: snapshot.at)
        row: Row = {
            "backup-type": kind,
            "backup-id": name,
            "last-backup": newest.at if finished else 0,
            "backup-count": len(finished),
            "files": [file["filename"] for file in _files(newest)] if finished else [],
            "owner": newest.owner,
        }
        if newest.comment:
            row["comment"] = newest.comment.partition("\n")[0]
        rows.append(row)
    return rows


@call("GET", "/admin/datastore/{store}/snapshots", parameters=("ns", "backup-type", "backup-id"))
def snapshots(request: Call) -> list[Row]:
    """The snapshots of one namespace, of one group if it is named."""
    kind, name = (request.parameters.get(key) for key in ("backup-type", "backup-id"))
    return [
        _row(request, snapshot)
        for snapshot in _snapshots(request)
        if kind in (None, snapshot.kind) and name in (None, snapshot.id)
    ]


def _row(request: Call, snapshot: Snapshot) -> Row:
    row: Row = {
        "backup-type": snapshot.kind,
        "backup-id": snapshot.id,
        "backup-time": snapshot.at,
        "protected": snapshot.is_protected,
        "owner": snapshot.owner,
        "files": _files(snapshot),
    }
    if snapshot.comment:
        row["comment"] = snapshot.comment.partition("\n")[0]
    if not snapshot.is_finished:
        return row
    row["size"] = snapshot.size
    if snapshot.fingerprint:
        row["fingerprint"] = snapshot.fingerprint
    if snapshot.verification:
        at = snapshot.at // 86_400 * 86_400 + 99_900
        row["verification"] = {
            "state": snapshot.verification,
            "upid": f"UPID:{backup_server_of(request).name}:00000391:00000D5D:0000001F:{at:08X}:verificationjob:main:root@pam:",
        }
    return row


def _files(snapshot: Snapshot) -> list[Row]:
    mode = "encrypt" if snapshot.fingerprint else "none"
    if not snapshot.is_finished:
        # Only what the client has sent so far, and no index.
        return [{"filename": _FILES[snapshot.kind][0][0]}]
    files = [
        {"filename": name, "crypt-mode": mode, "size": max(_SMALL_BYTES, int(snapshot.size * share))}
        for name, share in _FILES[snapshot.kind]
    ]
    index = {"filename": "index.json.blob", "crypt-mode": "sign-only" if snapshot.fingerprint else "none"}
    return [*files, {**index, "size": 512}]


@call("GET", "/admin/datastore/{store}/status", parameters=("verbose",))
def status(request: Call) -> Row:
    """The size of a datastore; with `verbose` also how much lies in it."""
    name = request.names["store"]
    request.demand(_place(name, ""), "Datastore.Audit", "Datastore.Backup")
    store = _store_of(request)
    row = sizes(request, store)
    gc = row.pop("gc-status")
    if request.flag("verbose"):
        groups: dict[str, set[tuple[str, str]]] = {}
        totals: dict[str, int] = {}
        for namespace in request.site.contents.namespaces(store):
            for snapshot in request.site.snapshots(store, namespace, request.now):
                groups.setdefault(snapshot.kind, set()).add((namespace, snapshot.id))
                totals[snapshot.kind] = totals.get(snapshot.kind, 0) + 1
        told = {kind: {"groups": len(groups[kind]), "snapshots": totals[kind]} for kind in groups}
        row |= {"gc-status": gc, "counts": {kind: told.get(kind) for kind in ("ct", "host", "vm")}}
    return row
