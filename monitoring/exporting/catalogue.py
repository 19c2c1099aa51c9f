"""Every series that `/metrics` tells, in the order of the answer, with what it means; pure.

docs/prometheus.md lists them for people; a test compares the two. A counter ends in `_total`; all others are gauges. What is in
`pulse_guest_...` and alike is named by `monitoring.exporting.naming` where it is kept as well.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from monitoring.exporting.exposition import TOTAL, Family

_OWN_CPUS = "Processor time used, as a ratio of its own CPUs."
_PRESSURE = "Share of the last ten seconds in which something waited for the resource (PVE 9), as a ratio."
_QUEUED = "Messages that wait in a queue."

SERIES: Mapping[str, str] = {
    # Pulse itself
    "pulse_build_info": "Which Pulse this is, and what runs it.",
    "pulse_database_writable": "Whether anything can be saved.",
    "pulse_failing_tasks": "Tasks of Pulse itself that fail.",
    "pulse_feed_clients": "Who follows the state over the WebSocket, at this process.",
    "pulse_tasks_running": "Background tasks at work; only where one process runs them all.",
    "pulse_tasks_waiting": "Background tasks that wait for a thread; only where one process runs them all.",
    "process_cpu_seconds_total": "Processor time of this process.",
    "process_open_fds": "Files and sockets that this process has open.",
    "process_resident_memory_bytes": "Memory of this process.",
    "process_start_time_seconds": "When this process was started, in epoch seconds.",
    "pulse_history_stored_bytes": "Disk that sealed samples take, by tier.",
    "pulse_history_values": "Values that are kept, by tier.",
    "pulse_history_oldest_timestamp_seconds": "From when on there are samples, by tier, in epoch seconds.",
    "pulse_history_budget_bytes": "Disk that the history may take.",
    # Instances
    "pulse_instance_info": "What a configured host or cluster is called, and of which kind it is.",
    "pulse_instance_up": "Whether the last poll was answered; absent while it is paused, and when nobody polls it.",
    "pulse_instance_paused": "Whether somebody has paused it.",
    "pulse_instance_polls_total": "Polls since it began to be polled.",
    "pulse_instance_failed_polls": "Polls that failed, in a row.",
    "pulse_instance_poll_seconds": "How long the last poll took.",
    "pulse_instance_last_poll_timestamp_seconds": "When the last poll began, in epoch seconds.",
    "pulse_instance_last_success_timestamp_seconds": "When it last answered, in epoch seconds.",
    "pulse_instance_calls_total": "Calls to its hosts since it began to be polled.",
    "pulse_instance_failed_calls_total": "Those that failed.",
    "pulse_concerns": "How much is wrong, by level.",
    "pulse_concerns_by_code": "How much is wrong, by level and kind of it.",
    "pulse_collector_subjects": "What a slow lane reads: nodes, guests and so on.",
    "pulse_collector_failing_subjects": "Those whose last try failed.",
    "pulse_collector_last_success_timestamp_seconds": "When the lane last read something, in epoch seconds.",
    "pulse_collector_oldest_success_timestamp_seconds": "When that was read which it has read longest ago, in epoch seconds.",
    "pulse_collector_recent_calls": "Calls of the lane in the last ten minutes.",
    "pulse_collector_recent_failures": "Those that were refused, broke, or were not answered.",
    "pulse_collector_recent_seconds": "How long they took together.",
    "pulse_collector_recent_bytes": "What was received, as it travelled.",
    # Clusters and nodes
    "pulse_cluster_quorate": "Whether the cluster has a majority.",
    "pulse_cluster_nodes": "Nodes of the cluster, with those that are away.",
    "pulse_node_info": "Release and hardware of a node.",
    "pulse_node_up": "Whether a node is online.",
    "pulse_node_uptime_seconds": "How long a node has run.",
    "pulse_node_cpus": "Logical CPUs of a node.",
    "pulse_node_cpu_ratio": "Processor time used, as a ratio of all its CPUs.",
    "pulse_node_io_wait_ratio": "Processor time spent waiting for disks, as a ratio.",
    "pulse_node_load1": "Mean of the processes that run or wait, over 1 minute.",
    "pulse_node_load5": "The same over 5 minutes.",
    "pulse_node_load15": "The same over 15 minutes.",
    "pulse_node_memory_used_bytes": "Memory in use on a node.",
    "pulse_node_memory_total_bytes": "Memory of a node.",
    "pulse_node_arc_bytes": "How much of the used memory is the cache of ZFS.",
    "pulse_node_swap_used_bytes": "Swap in use on a node.",
    "pulse_node_swap_total_bytes": "Swap of a node.",
    "pulse_node_disk_used_bytes": "What is used of the root file system of a node.",
    "pulse_node_disk_total_bytes": "Size of the root file system of a node.",
    "pulse_node_network_in_bytes_per_second": "What the physical interfaces of a node receive, over a minute.",
    "pulse_node_network_out_bytes_per_second": "What they send.",
    "pulse_node_pressure_ratio": _PRESSURE,
    "pulse_node_pending_updates": "Packages that can be upgraded on a node.",
    "pulse_node_clock_ahead_seconds": "How far the clock of a node is ahead of Pulse's, in whole minutes.",
    "pulse_certificate_expiry_timestamp_seconds": "When a certificate of a node or of a backup server expires, in epoch seconds.",
    "pulse_pool_healthy": "Whether a ZFS pool is ONLINE.",
    "pulse_pool_disk_used_bytes": "What is allocated of a ZFS pool.",
    "pulse_pool_disk_total_bytes": "Size of a ZFS pool.",
    "pulse_disk_info": "What a physical disk is.",
    "pulse_disk_healthy": "Whether a disk says that it is healthy (SMART).",
    "pulse_disk_life_left_ratio": "How much of its life a disk has left, as a ratio.",
    "pulse_disk_temperature_celsius": "Temperature of a disk.",
    "pulse_replication_failures": "Runs of a replication job that failed, in a row.",
    "pulse_replication_last_sync_timestamp_seconds": "When a replication job last succeeded, in epoch seconds.",
    "pulse_replication_duration_seconds": "How long its last run took.",
    # Guests
    "pulse_guest_info": "What a guest is called, and where it is.",
    "pulse_guest_up": "Whether a guest runs; absent when nobody knows.",
    "pulse_guest_uptime_seconds": "How long a guest has run.",
    "pulse_guest_cpus": "CPUs of a guest.",
    "pulse_guest_cpu_ratio": _OWN_CPUS,
    "pulse_guest_memory_used_bytes": "Memory in use in a guest; see pulse_guest_memory_source.",
    "pulse_guest_memory_total_bytes": "Memory of a guest, what its balloon takes not counted.",
    "pulse_guest_memory_source": "Who told the memory of a guest, and how far that is to be trusted.",
    "pulse_guest_host_memory_bytes": "Memory that a VM takes from its node (PVE 9).",
    "pulse_guest_swap_used_bytes": "Swap in use in a container.",
    "pulse_guest_swap_total_bytes": "Swap of a container.",
    "pulse_guest_disk_used_bytes": "What is used of the disks of a guest; of a VM only where its agent tells.",
    "pulse_guest_disk_total_bytes": "Size of the disks of a guest; of a VM whose agent tells nothing its boot disk.",
    "pulse_guest_network_in_bytes_per_second": "What a guest receives, over the last step of Proxmox.",
    "pulse_guest_network_out_bytes_per_second": "What a guest sends.",
    "pulse_guest_disk_read_bytes_per_second": "What a guest reads from its disks.",
    "pulse_guest_disk_write_bytes_per_second": "What a guest writes to its disks.",
    "pulse_guest_network_in_bytes_total": "What a guest has received since it was started on its node.",
    "pulse_guest_network_out_bytes_total": "What a guest has sent since then.",
    "pulse_guest_disk_read_bytes_total": "What a guest has read from its disks since then.",
    "pulse_guest_disk_write_bytes_total": "What a guest has written to its disks since then.",
    "pulse_guest_pressure_ratio": _PRESSURE,
    "pulse_guest_backup_state": "How the backups of a guest are: good, overdue, bad, never, uncovered, unknown.",
    "pulse_guest_last_backup_timestamp_seconds": "When the last good backup of a guest was made, in epoch seconds.",
    "pulse_filesystem_disk_used_bytes": "What is used of a file system of a VM, as its agent tells it.",
    "pulse_filesystem_disk_total_bytes": "Size of a file system of a VM.",
    # Storages
    "pulse_storage_info": "What a storage is and holds.",
    "pulse_storage_up": "Whether a storage is available.",
    "pulse_storage_disk_used_bytes": "What is used of a storage.",
    "pulse_storage_disk_total_bytes": "Size of a storage.",
    "pulse_storage_disk_free_bytes": "What can still be written to a storage, where a node tells it.",
    # Backup servers
    "pulse_server_info": "Release of a backup server.",
    "pulse_server_up": "Whether a backup server or a mail gateway answers.",
    "pulse_server_uptime_seconds": "How long a backup server has run.",
    "pulse_server_cpus": "Logical CPUs of a backup server.",
    "pulse_server_cpu_ratio": "Processor time used, as a ratio of all its CPUs.",
    "pulse_server_io_wait_ratio": "Processor time spent waiting for disks, as a ratio.",
    "pulse_server_load1": "Mean of the processes that run or wait, over 1 minute.",
    "pulse_server_load5": "The same over 5 minutes.",
    "pulse_server_load15": "The same over 15 minutes.",
    "pulse_server_memory_used_bytes": "Memory in use on a backup server.",
    "pulse_server_memory_total_bytes": "Memory of a backup server.",
    "pulse_server_swap_used_bytes": "Swap in use on a backup server.",
    "pulse_server_swap_total_bytes": "Swap of a backup server.",
    "pulse_server_disk_used_bytes": "What is used of the root file system of a backup server.",
    "pulse_server_disk_total_bytes": "Size of the root file system of a backup server.",
    "pulse_server_pending_updates": "Packages that can be upgraded on a backup server.",
    "pulse_server_clock_ahead_seconds": "How far its clock is ahead of Pulse's, in whole minutes.",
    "pulse_datastore_info": "What a datastore is, and which maintenance it is in.",
    "pulse_datastore_up": "Whether anything can be read in a datastore.",
    "pulse_datastore_disk_used_bytes": "What is used of a datastore.",
    "pulse_datastore_disk_total_bytes": "Size of a datastore.",
    "pulse_datastore_disk_free_bytes": "What can still be written to a datastore.",
    "pulse_datastore_deduplication_factor": "How many times each stored byte is used.",
    "pulse_datastore_bad_chunks": "Chunks of a datastore that are known to be bad.",
    "pulse_datastore_full_timestamp_seconds": "When a datastore will be full by its own estimate, in epoch seconds.",
    "pulse_backup_job_status": "How the newest run of a backup job of PVE went: ok, warning, failed, running, unknown.",
    "pulse_backup_job_last_run_timestamp_seconds": "When the newest run of a backup job ended, in epoch seconds.",
    "pulse_backup_job_next_run_timestamp_seconds": "When a backup job runs next, in epoch seconds.",
    "pulse_server_job_status": "How the last run of a job of a backup server went: ok, warning, failed, running, unknown.",
    "pulse_server_job_last_run_timestamp_seconds": "When that run ended, in epoch seconds.",
    "pulse_server_job_next_run_timestamp_seconds": "When a job of a backup server runs next, in epoch seconds.",
    # Mail gateways
    "pulse_server_mails_today": "Mails since the midnight of the gateway.",
    "pulse_server_spam_mails_today": "Those that came in and were spam.",
    "pulse_server_virus_mails_today": "Those that came in and had a virus.",
    "pulse_mail_node_info": "Release and role of a node of a mail gateway.",
    "pulse_mail_node_up": "Whether the others can reach a node of a mail gateway.",
    "pulse_mail_node_uptime_seconds": "How long it has run.",
    "pulse_mail_node_cpu_ratio": "Processor time used, as a ratio of all its CPUs.",
    "pulse_mail_node_load1": "Mean of the processes that run or wait, over 1 minute.",
    "pulse_mail_node_load5": "The same over 5 minutes.",
    "pulse_mail_node_load15": "The same over 15 minutes.",
    "pulse_mail_node_memory_used_bytes": "Memory in use on it.",
    "pulse_mail_node_memory_total_bytes": "Its memory.",
    "pulse_mail_node_swap_used_bytes": "Swap in use on it.",
    "pulse_mail_node_swap_total_bytes": "Its swap.",
    "pulse_mail_node_disk_used_bytes": "What is used of its root file system.",
    "pulse_mail_node_disk_total_bytes": "Size of its root file system.",
    "pulse_mail_node_queue_messages": _QUEUED,
}  # fmt: skip


class Book:
    """The families of one answer, each opened when it gets its first samples."""

    def __init__(self) -> None:
        self._families: dict[str, Family] = {}

    def extend(
        self, name: str, labels: Iterable[str], values: Iterable[float | None], *, common: str = ""
    ) -> None:
        """Add samples to a family as it does itself; raises KeyError for a name that is in no catalogue."""
        self.family(name).extend(labels, values, common=common)

    def add(self, name: str, labels: str, value: float | None) -> None:
        """Add one sample to a family; raises KeyError as `extend` does."""
        self.family(name).add(labels, value)

    def family(self, name: str) -> Family:
        """Return the family of a name, opened if need be."""
        family = self._families.get(name)
        if family is None:
            is_counter = name.endswith(TOTAL)
            family = Family(name, "counter" if is_counter else "gauge", SERIES[name])
            self._families[name] = family
        return family

    def families(self) -> Iterator[Family]:
        """Yield the families that have samples, in the order of the catalogue."""
        for name in SERIES:
            family = self._families.get(name)
            if family is not None and family.pieces:
                yield family
