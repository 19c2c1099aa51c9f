"""What is told of one backup server or mail gateway beside its figures; pure."""

from __future__ import annotations

import msgspec

from monitoring.backups.attribution import Attribution
from monitoring.known.datastores import known_datastores, states_now
from monitoring.wire.details import Background, Details, HostDetails, host_details
from nodes.proxmox.readings.backup_server import BackupGroupReading, ServerJobReading
from nodes.proxmox.readings.live import DatastoreReading, DatastoreStateReading, PbsStatusReading
from nodes.proxmox.readings.mail import MailNodeReading, MailQueueReading


class DatastoreDetails(msgspec.Struct, frozen=True):
    """A datastore with its maintenance and what the last garbage collection has left of it; null is what was not told."""

    name: str
    comment: str | None
    maintenance: str
    maintenance_message: str | None
    mount_status: str
    backend: str
    bad_chunks: int | None
    pending_bytes: int | None
    removed_bytes: int | None
    deduplication: float | None
    collected_epoch: int | None


class NamespaceDetails(msgspec.Struct, frozen=True):
    """A namespace of a datastore with its groups of backups."""

    groups: tuple[BackupGroupReading, ...]
    groups_read_epoch: float
    snapshots_read_epoch: float


class ServerDetails(HostDetails, frozen=True, kw_only=True):
    """What is known of a backup server beside its figures. Null is what was not read or not told, `...Read` when it was read.

    `garbage` are the garbage collections, `places` the namespaces by `<datastore>/<namespace>`, `attributions` whose each group
    of backups is, by `<datastore>/<namespace>|<kind>/<id>`. `usageRead` is when the use of the datastores was read,
    `datastoresRead` when their maintenance and comments were. `updates` is null where the account may not see them, see
    `mayReadUpdates`. `smartIsRead`: its disks are asked how they are.
    """

    status: PbsStatusReading | None
    status_read_epoch: float
    datastores: tuple[DatastoreDetails, ...]
    datastores_read_epoch: float
    usage_read_epoch: float
    garbage: tuple[ServerJobReading, ...]
    garbage_read_epoch: float | None
    places: dict[str, NamespaceDetails]
    attributions: dict[str, Attribution]


class GatewayDetails(Details, frozen=True, kw_only=True):
    """What is known of a mail gateway beside its figures; `queues` by node, `...Read` when it was read."""

    nodes: tuple[MailNodeReading, ...]
    nodes_read_epoch: float
    queues: dict[str, tuple[MailQueueReading, ...]]
    queues_read_epoch: float
    statistics_read_epoch: float


def server_details(background: Background) -> ServerDetails:
    """Return everything about one backup server; groups with whose they are, and why."""
    memory, facts = background.memory, background.facts
    held = facts.permissions
    states = states_now(facts, at_epoch=background.at_epoch)
    return ServerDetails(
        **host_details(
            facts.host,
            background,
            facts.tasks,
            may_read_updates=None if held is None else held.has("/", "Sys.Audit"),
        ),
        status=memory.pbs_status,
        status_read_epoch=memory.pbs_status_epoch,
        datastores=tuple(
            datastore_details(reading, states.get(reading.name))
            for reading in known_datastores(memory.datastores, states)
        ),
        datastores_read_epoch=facts.datastore_states_epoch,
        usage_read_epoch=memory.datastores_epoch,
        garbage=facts.server_jobs.get("garbage", ()),
        garbage_read_epoch=facts.server_jobs_epoch.get("garbage"),
        places={
            f"{store}/{namespace}": NamespaceDetails(place.groups, place.groups_epoch, place.snapshots_epoch)
            for (store, namespace), place in facts.backups.items()
        },
        attributions=dict(background.judgement.attributions_of(background.instance_id)),
    )


def datastore_details(reading: DatastoreReading, state: DatastoreStateReading | None) -> DatastoreDetails:
    """Return one datastore."""
    return DatastoreDetails(
        name=reading.name,
        comment=state.comment if state is not None else None,
        maintenance=reading.maintenance,
        maintenance_message=state.maintenance_message if state is not None else None,
        mount_status=reading.mount_status,
        backend=reading.backend,
        bad_chunks=reading.bad_chunk_count,
        pending_bytes=reading.pending_bytes,
        removed_bytes=reading.removed_bytes,
        deduplication=reading.deduplication,
        collected_epoch=reading.collected_epoch,
    )


def gateway_details(background: Background) -> GatewayDetails:
    """Return everything about one mail gateway."""
    memory = background.memory
    return GatewayDetails(
        **background.common,
        nodes=memory.mail_nodes,
        nodes_read_epoch=memory.mail_nodes_epoch,
        queues=memory.mail_queues,
        queues_read_epoch=memory.mail_queues_epoch,
        statistics_read_epoch=memory.mail_statistics_epoch,
    )
