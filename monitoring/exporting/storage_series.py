"""The storages of a PVE and the datastores of a PBS as series; pure."""

from __future__ import annotations

from collections.abc import Iterable

from monitoring.exporting.catalogue import Book
from monitoring.exporting.exposition import spelled
from monitoring.exporting.labels import datastore_labels, storage_labels
from monitoring.figures.servers import ServerFigures
from monitoring.figures.storages import StorageFigures
from monitoring.history.gathering import datastore_values
from monitoring.history.metrics import DISK_TOTAL, DISK_USED

#: Of what is switched off or not known nobody can say whether it works.
STORAGE_UP = {"available": 1, "inactive": 0}
DATASTORE_UP = {"available": 1, "unavailable": 0}


def add_storages(book: Book, instance: str, storages: Iterable[StorageFigures], *, is_now: bool) -> None:
    """Write the storages of an instance down. `is_now`: the figures are those of the present."""
    for storage in storages:
        labels = spelled(storage_labels(instance, storage.name, storage.node))
        info = {"plugin": storage.plugin, "content": ",".join(storage.content), "same_as": storage.same_as}
        book.add("pulse_storage_info", f"{labels},{spelled(info)}", 1)
        if not is_now or storage.is_stale:
            continue
        book.add("pulse_storage_up", labels, STORAGE_UP.get(storage.status))
        if storage.status == "available":
            book.add("pulse_storage_disk_used_bytes", labels, storage.used_bytes)
            book.add("pulse_storage_disk_total_bytes", labels, storage.total_bytes)
            book.add("pulse_storage_disk_free_bytes", labels, storage.free_bytes)


def add_datastores(book: Book, instance: str, server: ServerFigures, *, is_now: bool) -> None:
    """Write the datastores of a PBS down. `is_now`: the figures are those of the present."""
    use = datastore_values(server)
    for datastore in server.datastores:
        labels = spelled(datastore_labels(instance, datastore.name))
        info = {"backend": datastore.backend, "maintenance": datastore.maintenance}
        book.add("pulse_datastore_info", f"{labels},{spelled(info)}", 1)
        if not is_now or datastore.is_stale:
            continue
        book.add("pulse_datastore_up", labels, DATASTORE_UP.get(datastore.status))
        told = use.get(datastore.name, {})
        book.add("pulse_datastore_disk_used_bytes", labels, told.get(DISK_USED))
        book.add("pulse_datastore_disk_total_bytes", labels, told.get(DISK_TOTAL))
        book.add("pulse_datastore_disk_free_bytes", labels, datastore.available_bytes)
        book.add("pulse_datastore_deduplication_factor", labels, datastore.deduplication)
        book.add("pulse_datastore_bad_chunks", labels, datastore.bad_chunk_count)
        book.add("pulse_datastore_full_timestamp_seconds", labels, datastore.full_epoch)
