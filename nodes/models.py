"""What exists: configured instances, and the inventory read from them."""

from __future__ import annotations

import uuid
from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import ClassVar, Self

from django.db import models
from django.utils import timezone

from nodes.choices import GuestKind, InstanceKind, PollState
from nodes.fields import DecidedText, DecidedTruth, Flag, Secret

PVE, PBS = InstanceKind.PVE, InstanceKind.PBS


class InstanceQuerySet(models.QuerySet["Instance"]):
    """Instances, narrowed by what they are or need."""

    def polled(self) -> InstanceQuerySet:
        """Return those that are not paused."""
        return self.filter(is_paused=False)

    def clusters(self) -> InstanceQuerySet:
        """Return those that stand for a whole PVE cluster."""
        return self.filter(kind="pve", is_cluster=True)

    def by_wire_id(self, kind: str, number: int) -> InstanceQuerySet:
        """Return the one instance that the configuration routes call `<kind>-<number>`, or none."""
        return self.filter(kind=kind, number=number)

    def due(self, at: datetime, *, longest: timedelta, usual: timedelta) -> InstanceQuerySet:
        """Return those whose poll is due at the instant; a new one, never scheduled, is due at once.

        So is one that would wait for longer than anything lets it wait (`longest`; `usual` while it answers): the clock was set back.
        """
        ahead = models.Q(next_poll_at__gt=at + longest) | models.Q(
            state=PollState.OK, next_poll_at__gt=at + usual
        )
        return self.polled().filter(
            models.Q(next_poll_at__isnull=True) | models.Q(next_poll_at__lte=at) | ahead
        )

    def claim(self, pk: int, *, due_at: datetime | None, next_poll_at: datetime) -> bool:
        """Move one instance on to its next poll if nobody else did since `due_at` was read.

        False means that another scheduler was first, which is an answer, not an error.
        """
        return self.filter(pk=pk, is_paused=False, next_poll_at=due_at).update(next_poll_at=next_poll_at) == 1

    def poll_soon(self, pks: Iterable[int]) -> int:
        """Make the instances due at the next tick; returns how many."""
        return self.filter(pk__in=list(pks)).update(next_poll_at=None)

    def poll_all_soon(self) -> int:
        """Make every instance due at the next tick, whatever it waits for; returns how many."""
        return self.polled().update(next_poll_at=None)


class InstanceCounter(models.Model):
    """The next number of a kind: it only rises, so that the id of a deleted instance never means another one.

    Its row is also what two people who add an instance at once wait for.
    """

    kind = models.CharField(max_length=8, choices=InstanceKind, unique=True)
    next_number = models.PositiveIntegerField(default=0)

    def __str__(self) -> str:
        return f"{self.kind}-{self.next_number}"


class AddressRule(models.Model):
    """What somebody has decided about the addresses of hosts; at most one row, and while there is none nothing is allowed."""

    id = models.PositiveSmallIntegerField(primary_key=True, default=1, editable=False)
    allows_loopback = models.BooleanField(
        "this machine may be watched by its loopback address",
        default=False,
        help_text="Whoever may add hosts can then call whatever listens on 127.0.0.1 or ::1 here, but Pulse's own servers.",
    )

    class Meta:
        constraints = (models.CheckConstraint(condition=models.Q(id=1), name="address_rule_is_one"),)

    def __str__(self) -> str:
        return "loopback is allowed" if self.allows_loopback else "loopback is refused"


class Instance(models.Model):
    """One configured connection to PVE (a host or a whole cluster), to PBS or to PMG.

    `state` moves never -> ok <-> failing or login-failed; only polling writes it. `version` rises with every
    change of the configuration, so that a poll that began before the change knows it is late.
    """

    # identity
    kind = DecidedText(max_length=8, choices=InstanceKind, wire="type")
    number = models.PositiveIntegerField(help_text="The n of the wire id pve-n; never used again.")
    uid = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    name = DecidedText(max_length=128, wire="name")
    # configuration
    host = DecidedText(
        max_length=300, help_text="Normalised address, such as https://pve1.lab:8006", wire="host"
    )
    user = DecidedText(max_length=128, blank=True, wire="user")
    sealed_password = Secret(
        blank=True, editable=False, wire="password", given_as="password", shown_as="hasPassword"
    )
    token_id = DecidedText(max_length=200, blank=True, help_text="user@realm!name", wire="tokenName")
    sealed_token = Secret(
        blank=True, editable=False, wire="tokenValue", given_as="token_value", shown_as="hasToken"
    )
    fingerprint = DecidedText(
        max_length=64,
        blank=True,
        help_text="SHA-256 of the certificate, hex, lower case, without colons.",
        wire="fingerprint",
    )
    is_fingerprint_learned = models.BooleanField(
        default=False, editable=False, help_text="Pinned when it was first seen; nobody has confirmed it."
    )
    former_fingerprint = models.CharField(
        max_length=64,
        blank=True,
        editable=False,
        help_text="The learned pin while the authorities decide in its place.",
    )
    authority = models.TextField(
        blank=True,
        editable=False,
        help_text="Who may renew the pinned certificate: `public`, or an authority of its own in PEM.",
    )
    certificate_renewed_at = models.DateTimeField(null=True, blank=True, editable=False)
    verify_tls = DecidedTruth(default=False, wire="verifySSL")
    monitor_vms = Flag(default=True, wire="monitorVMs", kinds=(PVE,))
    monitor_containers = Flag(default=True, wire="monitorContainers", kinds=(PVE,))
    monitor_storage = Flag(default=True, wire="monitorStorage", kinds=(PVE,))
    monitor_backups = Flag(default=True, wire="monitorBackups", kinds=(PVE,))
    monitor_datastores = Flag(default=True, wire="monitorDatastores", kinds=(PBS,))
    monitor_sync_jobs = Flag(default=True, wire="monitorSyncJobs", kinds=(PBS,))
    monitor_verify_jobs = Flag(default=True, wire="monitorVerifyJobs", kinds=(PBS,))
    monitor_prune_jobs = Flag(default=True, wire="monitorPruneJobs", kinds=(PBS,))
    monitor_garbage_jobs = Flag(default=False, wire="monitorGarbageJobs", kinds=(PBS,))
    reads_smart = Flag(
        "read the health of disks (SMART)",
        default=False,
        help_text="Twice a day the host asks each disk for health, wear and temperature: up to 10 s each, and a "
        "sleeping disk may be woken.",
        wire="monitorSmart",
        is_ours=True,
        kinds=(PVE, PBS),
    )
    is_paused = models.BooleanField(default=False)
    version = models.PositiveIntegerField(default=1, editable=False)
    # observed
    is_cluster = models.BooleanField(default=False, editable=False)
    cluster_name = models.CharField(max_length=128, blank=True, editable=False)
    told_nodes = models.JSONField(
        default=dict,
        editable=False,
        help_text="Certificate and address by node, as the host told last: it is recognised by them, and never trusted for them.",
    )
    shown_fingerprint = models.CharField(
        max_length=64,
        blank=True,
        editable=False,
        help_text="Of the certificate with which the host has proven itself when it told them; empty without TLS.",
    )
    state = models.CharField(max_length=16, choices=PollState, default=PollState.NEVER, editable=False)
    failure_code = models.CharField(max_length=32, blank=True, editable=False)
    failure_message = models.TextField(blank=True, editable=False)
    failing_since = models.DateTimeField(null=True, blank=True, editable=False)
    last_success_at = models.DateTimeField(null=True, blank=True, editable=False)
    # bookkeeping
    next_poll_at = models.DateTimeField(null=True, blank=True, editable=False)
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    changed_at = models.DateTimeField(auto_now=True, editable=False)

    objects: ClassVar[InstanceQuerySet] = InstanceQuerySet.as_manager()  # type: ignore[assignment]

    class Meta:
        ordering = ("-kind", "number")  # all PVE, then all PBS, in the order of their creation
        constraints = (
            models.UniqueConstraint(fields=("kind", "number"), name="instance_wire_id_is_unique"),
            models.UniqueConstraint(fields=("kind", "name"), name="instance_name_is_unique_per_kind"),
            models.UniqueConstraint(fields=("kind", "host"), name="instance_host_is_unique_per_kind"),
        )
        # instances.due(at): the scheduler asks every second
        indexes = (models.Index(fields=("next_poll_at",), name="instance_due"),)

    def __str__(self) -> str:
        return self.name

    @property
    def wire_id(self) -> str:
        """The id of the configuration routes, such as `pve-0`."""
        return f"{self.kind}-{self.number}"

    @property
    def health_key(self) -> str:
        """The key in the state's `connectionHealth`."""
        return self.name if self.kind == InstanceKind.PVE else f"{self.kind}-{self.name}"

    @property
    def password_place(self) -> str:
        """What the sealed password is bound to."""
        return f"instance:{self.uid}:password"

    @property
    def token_place(self) -> str:
        """What the sealed token secret is bound to."""
        return f"instance:{self.uid}:token"

    @property
    def is_tls_unchecked(self) -> bool:
        """Whether anybody between here and the host could read the credential."""
        return self.host.startswith("http://") or not (self.fingerprint or self.verify_tls)

    @property
    def has_password(self) -> bool:
        """Whether a password is stored."""
        return bool(self.sealed_password)

    @property
    def has_token(self) -> bool:
        """Whether a token with its secret is stored."""
        return bool(self.token_id and self.sealed_token)


class ClusterEndpoint(models.Model):
    """One member of a cluster: an address the instance can also be asked at, with a certificate of its own."""

    instance = models.ForeignKey(Instance, on_delete=models.CASCADE, related_name="endpoints")
    node_name = models.CharField(max_length=128)
    address = models.CharField(max_length=128, blank=True, help_text="IP address; empty when not known.")
    fingerprint = models.CharField(max_length=64, blank=True)
    is_online = models.BooleanField(default=False)
    last_seen_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ("node_name",)
        constraints = (
            models.UniqueConstraint(fields=("instance", "node_name"), name="endpoint_is_unique_per_instance"),
        )

    def __str__(self) -> str:
        return self.node_name


class InventoryModel(models.Model):
    """What every inventory row knows: whose it is, when it appeared and whether it still exists.

    `key_fields` are what it is known by within its instance.
    """

    key_fields: ClassVar[tuple[str, ...]] = ("name",)

    instance = models.ForeignKey(Instance, on_delete=models.CASCADE, db_index=False)
    first_seen_at = models.DateTimeField()
    gone_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        abstract = True
        # What is there is looked at in every poll, and what has gone first is deleted first.
        indexes = (models.Index(fields=("instance", "gone_at"), name="%(class)s_gone"),)

    @classmethod
    def there(cls, instance: Instance | int) -> models.QuerySet[Self]:
        """Return what there is of an instance, in no order: in that of the model, all that is gone would be walked over."""
        return cls._default_manager.filter(instance=instance, gone_at=None).order_by()

    @property
    def key(self) -> object:
        """What it is known by within its instance: the value of its key field, a tuple where there are several."""
        values = tuple(getattr(self, name) for name in self.key_fields)
        return values if len(values) > 1 else values[0]


class Node(InventoryModel):
    """One PVE host."""

    name = models.CharField(max_length=128)
    cpu_count = models.PositiveIntegerField(null=True, blank=True)
    memory_total_bytes = models.BigIntegerField(null=True, blank=True)
    cpu_model = models.CharField(max_length=200, blank=True)
    kernel_version = models.CharField(max_length=200, blank=True)
    pve_version = models.CharField(max_length=100, blank=True)
    absent_since = models.DateTimeField(
        null=True, blank=True, help_text="Since when it is not online; empty while it is."
    )
    wire_id = models.CharField(
        max_length=300,
        blank=True,
        help_text="The id in the state, which those of its guests begin with; the first to spell it keeps it.",
    )

    class Meta(InventoryModel.Meta):
        ordering = ("instance", "name")
        constraints = (
            models.UniqueConstraint(fields=("instance", "name"), name="node_is_unique"),
            models.UniqueConstraint(
                fields=("wire_id",), condition=~models.Q(wire_id=""), name="node_wire_id_is_unique"
            ),
        )

    def __str__(self) -> str:
        return self.name


class Guest(InventoryModel):
    """A virtual machine or a container: instance and vmid, wherever in the cluster it runs."""

    key_fields = ("vmid",)

    vmid = models.PositiveIntegerField()
    kind = models.CharField(max_length=8, choices=GuestKind)
    name = models.CharField(max_length=256, blank=True)
    node_name = models.CharField(max_length=128)
    tags = models.CharField(
        max_length=512, blank=True, help_text="Separated by semicolons, as Proxmox has them."
    )

    class Meta(InventoryModel.Meta):
        ordering = ("instance", "vmid")
        constraints = (models.UniqueConstraint(fields=("instance", "vmid"), name="guest_is_unique"),)

    def __str__(self) -> str:
        return f"{self.name or self.kind} ({self.vmid})"


class Storage(InventoryModel):
    """A PVE storage as one node sees it; `node_name` is empty for a shared one, which is one row."""

    key_fields = ("name", "node_name")

    name = models.CharField(max_length=128)
    node_name = models.CharField(max_length=128, blank=True)
    plugin = models.CharField(max_length=32, blank=True)
    content = models.CharField(max_length=200, blank=True, help_text="Sorted and separated by commas.")
    wire_id = models.CharField(
        max_length=300, help_text="The id in the state; the first owner of a shared name keeps it."
    )

    class Meta(InventoryModel.Meta):
        ordering = ("instance", "name", "node_name")
        verbose_name_plural = "storages"
        constraints = (
            models.UniqueConstraint(fields=("instance", "name", "node_name"), name="storage_is_unique"),
            models.UniqueConstraint(fields=("wire_id",), name="storage_wire_id_is_unique"),
        )

    def __str__(self) -> str:
        return self.name


class Datastore(InventoryModel):
    """A datastore of a PBS."""

    name = models.CharField(max_length=128)

    class Meta(InventoryModel.Meta):
        ordering = ("instance", "name")
        constraints = (models.UniqueConstraint(fields=("instance", "name"), name="datastore_is_unique"),)

    def __str__(self) -> str:
        return self.name
