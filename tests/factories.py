"""Rows for tests: plain functions with honest defaults; any field can be given."""

from __future__ import annotations

import uuid
from typing import Any

from nodes.models import ClusterEndpoint, Datastore, Guest, Instance, Node, Storage
from pulse.lib.crypto import seal
from tests.conftest import NOON


def make_instance(kind: str = "pve", *, password: str = "", token_value: str = "", **fields: Any) -> Instance:
    """One configured instance; with no credential given it has a token of the user `pulse@pam`.

    Names are `lab`, `lab-2`, ... (PBS: `vault`, ...), hosts `https://192.0.2.10:8006` and upwards.
    """
    taken = {row.number for row in Instance.objects.filter(kind=kind)}
    number = fields.pop("number", max(taken, default=-1) + 1)
    base, port, subnet = ("lab", 8006, 10) if kind == "pve" else ("vault", 8007, 100)
    uid = fields.pop("uid", None) or uuid.uuid4()
    if not password and not token_value and "user" not in fields and "token_id" not in fields:
        token_value = "not-a-real-token-secret"
    if token_value:
        fields.setdefault("token_id", f"pulse@{'pam' if kind == 'pve' else 'pbs'}!pulse")
    if password:
        fields.setdefault("user", "monitor@pve" if kind == "pve" else "admin@pbs")
    fields.setdefault("name", base if number == 0 else f"{base}-{number + 1}")
    fields.setdefault("host", f"https://192.0.2.{subnet + number}:{port}")
    return Instance.objects.create(
        kind=kind,
        number=number,
        uid=uid,
        sealed_password=seal(password, place=f"instance:{uid}:password"),
        sealed_token=seal(token_value, place=f"instance:{uid}:token"),
        **fields,
    )


def make_endpoint(instance: Instance, node_name: str = "pve1", **fields: Any) -> ClusterEndpoint:
    """One member of the instance's cluster, online and seen at NOON."""
    fields.setdefault("address", "192.0.2.10")
    fields.setdefault("is_online", True)
    fields.setdefault("last_seen_at", NOON)
    return ClusterEndpoint.objects.create(instance=instance, node_name=node_name, **fields)


def make_node(instance: Instance | None = None, name: str = "pve1", **fields: Any) -> Node:
    """One PVE host, first seen at NOON."""
    fields.setdefault("first_seen_at", NOON)
    return Node.objects.create(instance=instance or make_instance(), name=name, **fields)


def make_guest(instance: Instance | None = None, vmid: int = 101, **fields: Any) -> Guest:
    """One virtual machine on `pve1`, first seen at NOON."""
    fields.setdefault("kind", "qemu")
    fields.setdefault("name", f"guest-{vmid}")
    fields.setdefault("node_name", "pve1")
    fields.setdefault("first_seen_at", NOON)
    return Guest.objects.create(instance=instance or make_instance(), vmid=vmid, **fields)


def make_storage(instance: Instance | None = None, name: str = "local", **fields: Any) -> Storage:
    """One directory storage of `pve1`, first seen at NOON."""
    instance = instance or make_instance()
    fields.setdefault("node_name", "pve1")
    fields.setdefault("plugin", "dir")
    fields.setdefault("content", "backup,iso,vztmpl")
    fields.setdefault("wire_id", f"{instance.name}-{fields['node_name'] or 'shared'}-{name}")
    fields.setdefault("first_seen_at", NOON)
    return Storage.objects.create(instance=instance, name=name, **fields)


def make_datastore(instance: Instance | None = None, name: str = "main", **fields: Any) -> Datastore:
    """One datastore of a PBS, first seen at NOON."""
    fields.setdefault("first_seen_at", NOON)
    return Datastore.objects.create(instance=instance or make_instance("pbs"), name=name, **fields)
