"""Resources as the state sends them, and how they are built from readings; pure. Source: state.md sections 2 to 4."""

from __future__ import annotations

from monitoring.resources.figures import (
    NOTHING,
    percent,
    usage,
)
from monitoring.resources.hosts import (
    guest_view,
    node_disk,
    node_memory,
    node_view,
    placeholder_node,
)
from monitoring.resources.jobs import (
    NO_JOBS,
    BackupJobView,
    DatastoreView,
    GarbageJobView,
    NamespaceView,
    PruneJobView,
    ServerJobs,
    SyncJobView,
    VerifyJobView,
)
from monitoring.resources.renaming import (
    renamed,
)
from monitoring.resources.servers import (
    camel,
    datastore_view,
    mail_node_view,
    pbs_view,
    pbs_without_answer,
    pmg_view,
    pmg_without_answer,
)
from monitoring.resources.shapes import (
    NO_EXTRAS,
    ConcernView,
    CpuInfo,
    GuestExtras,
    GuestView,
    MailNodeView,
    NodeView,
    PbsView,
    PmgView,
    StorageView,
    Usage,
    Views,
)
from monitoring.resources.storages import (
    DISABLED,
    NO_PROBES,
    storage_id,
    storage_view,
    storage_views,
)

__all__ = [
    "DISABLED",
    "NOTHING",
    "NO_EXTRAS",
    "NO_JOBS",
    "NO_PROBES",
    "BackupJobView",
    "ConcernView",
    "CpuInfo",
    "DatastoreView",
    "GarbageJobView",
    "GuestExtras",
    "GuestView",
    "MailNodeView",
    "NamespaceView",
    "NodeView",
    "PbsView",
    "PmgView",
    "PruneJobView",
    "ServerJobs",
    "StorageView",
    "SyncJobView",
    "Usage",
    "VerifyJobView",
    "Views",
    "camel",
    "datastore_view",
    "guest_view",
    "mail_node_view",
    "node_disk",
    "node_memory",
    "node_view",
    "pbs_view",
    "pbs_without_answer",
    "percent",
    "placeholder_node",
    "pmg_view",
    "pmg_without_answer",
    "renamed",
    "storage_id",
    "storage_view",
    "storage_views",
    "usage",
]
