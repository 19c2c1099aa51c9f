"""What API calls returned, parsed: facts with units in their names. None means that it was not told.

Numbers are finite, sizes are bytes, ratios are 0 to 1 and may exceed 1 where Proxmox says so, uptimes and
epochs are seconds. Texts are cleaned of control characters and bounded in length, and remain untrusted.
"""

from __future__ import annotations

from nodes.proxmox.readings.access import (
    PermissionsReading,
)
from nodes.proxmox.readings.backup_server import (
    BackupFileReading,
    BackupGroupReading,
    BackupSnapshotReading,
    NamespaceReading,
    ServerJobReading,
)
from nodes.proxmox.readings.backups import (
    BackupJobReading,
    BackupVolumeReading,
    JobVolumeReading,
    NodeStorageReading,
    StorageConfigReading,
    TaskReading,
    TimeReading,
    UncoveredGuestReading,
    UpidReading,
    VzdumpGuestReading,
)
from nodes.proxmox.readings.cluster import (
    CephCheckReading,
    CephOsdReading,
    CephPoolReading,
    CephReading,
    HaNodeReading,
    HaReading,
    HaServiceReading,
    ReplicationReading,
)
from nodes.proxmox.readings.guests import (
    AddressReading,
    FilesystemReading,
    GuestConfigReading,
    GuestDetailReading,
    GuestDiskReading,
    GuestSnapshotReading,
    PressureReading,
)
from nodes.proxmox.readings.hardware import (
    CertificateReading,
    DiskReading,
    PendingUpdateReading,
    SmartReading,
    SubscriptionReading,
    ThinPoolReading,
    ZfsPoolReading,
)
from nodes.proxmox.readings.live import (
    ClusterReading,
    DatastoreReading,
    DatastoreStateReading,
    GuestReading,
    MemberReading,
    NodeCertificateReading,
    NodeReading,
    NodeStatusReading,
    PbsStatusReading,
    PoolReading,
    ResourcesReading,
    StorageReading,
    VersionReading,
)
from nodes.proxmox.readings.mail import (
    MailNodeReading,
    MailQueueReading,
    MailStatisticsReading,
)

__all__ = [
    "AddressReading",
    "BackupFileReading",
    "BackupGroupReading",
    "BackupJobReading",
    "BackupSnapshotReading",
    "BackupVolumeReading",
    "CephCheckReading",
    "CephOsdReading",
    "CephPoolReading",
    "CephReading",
    "CertificateReading",
    "ClusterReading",
    "DatastoreReading",
    "DatastoreStateReading",
    "DiskReading",
    "FilesystemReading",
    "GuestConfigReading",
    "GuestDetailReading",
    "GuestDiskReading",
    "GuestReading",
    "GuestSnapshotReading",
    "HaNodeReading",
    "HaReading",
    "HaServiceReading",
    "JobVolumeReading",
    "MailNodeReading",
    "MailQueueReading",
    "MailStatisticsReading",
    "MemberReading",
    "NamespaceReading",
    "NodeCertificateReading",
    "NodeReading",
    "NodeStatusReading",
    "NodeStorageReading",
    "PbsStatusReading",
    "PendingUpdateReading",
    "PermissionsReading",
    "PoolReading",
    "PressureReading",
    "ReplicationReading",
    "ResourcesReading",
    "ServerJobReading",
    "SmartReading",
    "StorageConfigReading",
    "StorageReading",
    "SubscriptionReading",
    "TaskReading",
    "ThinPoolReading",
    "TimeReading",
    "UncoveredGuestReading",
    "UpidReading",
    "VersionReading",
    "VzdumpGuestReading",
    "ZfsPoolReading",
]
