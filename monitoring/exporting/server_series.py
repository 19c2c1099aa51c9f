"""Backup servers, their jobs and those of PVE, and mail gateways as series; pure."""

from __future__ import annotations

from collections.abc import Iterable
from operator import attrgetter

from monitoring.backups.results import job_outcome
from monitoring.exporting.catalogue import Book
from monitoring.exporting.exposition import spelled
from monitoring.exporting.labels import instance_labels, node_labels
from monitoring.exporting.node_series import add_loads
from monitoring.exporting.storage_series import add_datastores
from monitoring.figures.servers import BackupJob, GatewayFigures, ServerFigures, ServerJob
from nodes.proxmox.readings.live import PbsStatusReading
from nodes.proxmox.readings.mail import MailNodeReading

UP = {"online": 1, "offline": 0}
_MACHINE = {
    "uptime_seconds": attrgetter("uptime_seconds"),
    "cpu_ratio": attrgetter("cpu_ratio"),
    "memory_used_bytes": attrgetter("memory_used_bytes"),
    "memory_total_bytes": attrgetter("memory_total_bytes"),
    "swap_used_bytes": attrgetter("swap_used_bytes"),
    "swap_total_bytes": attrgetter("swap_total_bytes"),
    "disk_used_bytes": attrgetter("root_used_bytes"),
    "disk_total_bytes": attrgetter("root_total_bytes"),
}


def add_server(book: Book, instance: str, server: ServerFigures, *, is_now: bool) -> None:
    """Write a backup server down. `is_now`: the figures are those of the present."""
    labels = spelled(instance_labels(instance))
    book.add("pulse_server_info", f"{labels},{spelled({'version': server.version or ''})}", 1)
    if is_now:
        book.add("pulse_server_up", labels, UP.get(server.status))
        if server.host is not None and server.status == "online":
            add_machine(book, "pulse_server", labels, server.host)
            book.add("pulse_server_cpus", labels, server.host.cpu_count)
            book.add("pulse_server_io_wait_ratio", labels, server.host.io_wait_ratio)
    add_datastores(book, instance, server, is_now=is_now)
    add_server_jobs(book, instance, server.jobs)


def add_machine(book: Book, prefix: str, labels: str, told: PbsStatusReading | MailNodeReading) -> None:
    """Write down what a machine tells of itself."""
    for name, figure in _MACHINE.items():
        book.add(f"{prefix}_{name}", labels, figure(told))
    add_loads(book, prefix, labels, told.load_average)


def add_server_jobs(book: Book, instance: str, jobs: Iterable[ServerJob]) -> None:
    """Write down how the jobs of a backup server go; one that is switched off has no next run."""
    for job in jobs:
        told = job.told
        labels = spelled(
            {"instance": instance, "job_kind": told.kind, "job_id": told.id, "datastore": told.store}
        )
        book.add("pulse_server_job_status", f'{labels},status="{job_outcome(told)}"', 1)
        book.add("pulse_server_job_last_run_timestamp_seconds", labels, told.last_run_ended_epoch)
        next_run = None if told.is_disabled else told.next_run_epoch
        book.add("pulse_server_job_next_run_timestamp_seconds", labels, next_run)


def add_backup_jobs(book: Book, instance: str, jobs: Iterable[BackupJob]) -> None:
    """Write down how the backup jobs of a PVE go."""
    for job in jobs:
        labels = spelled({"instance": instance, "job_id": job.id})
        book.add("pulse_backup_job_status", f"{labels},{spelled({'status': job.status})}", 1)
        book.add("pulse_backup_job_last_run_timestamp_seconds", labels, job.last_run_ended_epoch)
        next_run = None if job.is_disabled else job.next_run_epoch
        book.add("pulse_backup_job_next_run_timestamp_seconds", labels, next_run)


def add_gateway(book: Book, instance: str, gateway: GatewayFigures, *, is_now: bool) -> None:
    """Write a mail gateway down. `is_now`: the figures are those of the present."""
    labels = spelled(instance_labels(instance))
    for node in gateway.nodes:
        of_node = spelled(node_labels(instance, node.name))
        book.add(
            "pulse_mail_node_info", f"{of_node},{spelled({'version': node.version, 'role': node.role})}", 1
        )
    if not is_now:
        return
    book.add("pulse_server_up", labels, UP.get(gateway.status))
    if gateway.status != "online" or gateway.is_stale:
        return
    for node in gateway.nodes:
        add_mail_node(book, spelled(node_labels(instance, node.name)), node)
    for name, queues in gateway.queues.items():
        of_node = spelled(node_labels(instance, name))
        for queue in queues:
            book.add(
                "pulse_mail_node_queue_messages", f"{of_node},{spelled({'queue': queue.queue})}", queue.total
            )
    if gateway.statistics is not None:
        today = gateway.statistics
        book.add("pulse_server_mails_today", f'{labels},direction="in"', today.count_in)
        book.add("pulse_server_mails_today", f'{labels},direction="out"', today.count_out)
        book.add("pulse_server_spam_mails_today", labels, today.spam_in)
        book.add("pulse_server_virus_mails_today", labels, today.virus_in)


def add_mail_node(book: Book, labels: str, node: MailNodeReading) -> None:
    """Write a node of a mail gateway down; one that the others cannot reach has no figures."""
    book.add("pulse_mail_node_up", labels, int(not node.error))
    if not node.error:
        add_machine(book, "pulse_mail_node", labels, node)
