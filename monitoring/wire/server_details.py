"""What is told of one backup server or mail gateway beside its figures, in our own words; pure. Instants are RFC 3339."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import msgspec

from monitoring.backups.judgement import Judgement
from monitoring.backups.results import task_outcome
from monitoring.known.datastores import known_datastores, states_now
from monitoring.known.facts import Facts
from monitoring.known.memory import PollMemory
from nodes.proxmox.readings.backups import TaskReading
from nodes.proxmox.readings.live import DatastoreReading, DatastoreStateReading
from pulse.lib.instants import instant


def server_details(
    memory: PollMemory, facts: Facts, judgement: Judgement, instance_id: int, *, at_epoch: float
) -> dict[str, Any]:
    """Return everything about one backup server; groups with whose they are, and why."""
    return host_details(memory, facts) | {
        "datastores": datastore_details(memory, facts, at_epoch=at_epoch),
        "datastoresRead": instant(facts.datastore_states_epoch),
        "usageRead": instant(memory.datastores_epoch),
        "garbage": facts.server_jobs.get("garbage", ()),
        "garbageRead": instant(facts.server_jobs_epoch.get("garbage")),
        "places": {
            f"{store}/{namespace}": {
                "groups": place.groups,
                "groupsRead": instant(place.groups_epoch),
                "snapshotsRead": instant(place.snapshots_epoch),
            }
            for (store, namespace), place in facts.backups.items()
        },
        "attributions": judgement.attributions_of(instance_id),
    }


def host_details(memory: PollMemory, facts: Facts) -> dict[str, Any]:
    """Return what is known of the machine."""
    known, held = facts.host, facts.permissions
    return {
        "status": memory.pbs_status,
        "statusRead": instant(memory.pbs_status_epoch),
        "certificates": known.certificates,
        "certificatesRead": instant(known.certificates_epoch),
        "subscription": known.subscription,
        "subscriptionRead": instant(known.subscription_epoch),
        "updates": known.updates,
        "updatesRead": instant(known.updates_epoch),
        "mayReadUpdates": None if held is None else held.has("/", "Sys.Audit"),
        "timeZone": known.time_zone,
        "tasks": task_details(facts.tasks),
    }


def task_details(tasks: Iterable[TaskReading]) -> list[dict[str, Any]]:
    """Return tasks as they were told, each with how it ended."""
    return [msgspec.structs.asdict(task) | {"outcome": task_outcome(task)} for task in tasks]


def datastore_details(memory: PollMemory, facts: Facts, *, at_epoch: float) -> list[dict[str, Any]]:
    """Return every datastore with its maintenance and what the last garbage collection has left of it."""
    states = states_now(facts, at_epoch=at_epoch)
    return [
        datastore(reading, states.get(reading.name))
        for reading in known_datastores(memory.datastores, states)
    ]


def datastore(reading: DatastoreReading, state: DatastoreStateReading | None) -> dict[str, Any]:
    """Return one datastore; None is what was not told."""
    return {
        "name": reading.name,
        "comment": state.comment if state is not None else None,
        "maintenance": reading.maintenance,
        "maintenanceMessage": state.maintenance_message if state is not None else None,
        "mountStatus": reading.mount_status,
        "backend": reading.backend,
        "badChunks": reading.bad_chunk_count,
        "pendingBytes": reading.pending_bytes,
        "removedBytes": reading.removed_bytes,
        "deduplication": reading.deduplication,
        "collected": instant(reading.collected_epoch),
    }


def gateway_details(memory: PollMemory) -> dict[str, Any]:
    """Return everything about one mail gateway."""
    return {
        "nodes": memory.mail_nodes,
        "nodesRead": instant(memory.mail_nodes_epoch),
        "queues": memory.mail_queues,
        "queuesRead": instant(memory.mail_queues_epoch),
        "statisticsRead": instant(memory.mail_statistics_epoch),
    }
