"""What the account of an instance may see: asked of the host now, and held against what each feature needs."""

from __future__ import annotations

from dataclasses import dataclass

from nodes import connecting
from nodes.choices import InstanceKind
from nodes.doctor import examination
from nodes.doctor.examination import Finding
from nodes.models import Instance
from nodes.proxmox import access, backups, pbs, pve
from nodes.proxmox.client import Client
from nodes.proxmox.errors import ProxmoxError
from nodes.proxmox.readings.access import PermissionsReading
from nodes.proxmox.readings.backups import StorageConfigReading

LOOK_SECONDS = 10.0


@dataclass(frozen=True, slots=True)
class Examination:
    """The state of every feature, for an account on a host of this version."""

    account: str
    version: str
    findings: tuple[Finding, ...]


def examine(instance: Instance) -> Examination:
    """Return what the account may see, asking the host; all steps together within ten seconds.

    Calls the network: never inside a transaction. Raises ProxmoxError.
    """
    with Client(
        connecting.target_of(instance),
        timeout_seconds=LOOK_SECONDS,
        deadline_seconds=LOOK_SECONDS,
        lifetime_seconds=LOOK_SECONDS,
    ) as client:
        version = pve.version(client).version
        if instance.kind == InstanceKind.PMG:
            return Examination(
                account_of(instance), version, ()
            )  # its roles know no paths: audit opens everything
        held = access.permissions(client)
        if instance.kind == InstanceKind.PBS:
            return judged(instance, held, version, datastores=datastores_of(client))
        nodes = tuple(node.name for node in pve.node_certificates(client))
        return judged(instance, held, version, nodes=nodes, storages=defined(client))


def datastores_of(client: Client) -> tuple[str, ...]:
    """Return the datastores, none when they are not told."""
    try:
        return pbs.datastores(client)
    except ProxmoxError:
        return ()


def defined(client: Client) -> tuple[StorageConfigReading, ...]:
    """Return how the storages are defined, none when that is not told."""
    try:
        return backups.storage_definitions(client)
    except ProxmoxError:
        return ()


def judged(
    instance: Instance,
    held: PermissionsReading,
    version: str,
    *,
    nodes: tuple[str, ...] = (),
    storages: tuple[StorageConfigReading, ...] = (),
    datastores: tuple[str, ...] = (),
) -> Examination:
    """Return the state of every feature by what is known of the instance already."""
    account = account_of(instance)
    findings = examination.examine(
        held,
        kind=instance.kind,
        version=version,
        account=account,
        nodes=nodes,
        storages=[storage.name for storage in storages],
        backup_storages=[
            storage.name
            for storage in storages
            if "backup" in storage.content and storage.plugin != "pbs" and not storage.is_disabled
        ],
        datastores=datastores,
    )
    return Examination(account, version, findings)


def account_of(instance: Instance) -> str:
    """Return as whom the instance logs in: user@realm, or user@realm!token."""
    return instance.token_id if instance.has_token else instance.user
