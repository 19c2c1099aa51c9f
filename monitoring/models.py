"""What monitoring keeps over a restart."""

from __future__ import annotations

import gzip
import uuid
import zlib
from datetime import datetime
from typing import ClassVar

import msgspec
from django.db import models
from django.utils import timezone

from monitoring.choices import (
    BackfillReason,
    BackfillState,
    BlindCause,
    EventKind,
    PartKind,
    RemoteLogin,
    SpanSource,
    Tier,
)
from monitoring.known.facts import LAYOUT, Facts
from nodes.fields import Secret
from nodes.models import Instance

_facts_of = msgspec.msgpack.Decoder(Facts).decode


class CollectedFacts(models.Model):
    """The facts of one instance as they were last saved: gzip of MessagePack, of one layout."""

    instance = models.OneToOneField(Instance, on_delete=models.CASCADE, primary_key=True)
    layout = models.PositiveIntegerField()
    body = models.BinaryField()
    saved_at = models.DateTimeField()

    class Meta:
        verbose_name_plural = "collected facts"

    def __str__(self) -> str:
        return f"facts of {self.instance_id}"

    def facts(self) -> Facts | None:
        """Return the facts, None when they cannot be read any more."""
        try:
            return _facts_of(gzip.decompress(bytes(self.body)))
        except (OSError, EOFError, zlib.error, msgspec.MsgspecError):
            return None

    @classmethod
    def keep(cls, instance: Instance, facts: Facts, *, at: datetime) -> int:
        """Save the facts in place of the earlier ones; returns how many bytes they take."""
        body = gzip.compress(msgspec.msgpack.encode(facts), compresslevel=6)
        values = {"layout": LAYOUT, "body": body, "saved_at": at}
        cls.objects.update_or_create(instance=instance, defaults=values)
        return len(body)


# --- History: samples -------------------------------------------------------------------------------------------------
#
# Hundreds of megabytes may hang on an instance: they are deleted in parts when it is gone (monitoring.history.retention), not
# within the transaction that deletes it.


class HistoryPart(models.Model):
    """What has series and no row of the inventory: a ZFS pool of a node, a file system of a guest, a node of a mail gateway."""

    instance = models.ForeignKey(Instance, on_delete=models.CASCADE, db_index=False)
    kind = models.CharField(max_length=16, choices=PartKind)
    owner_id = models.BigIntegerField(
        help_text="The row of the node or the guest; of a mail gateway its instance."
    )
    name = models.CharField(max_length=256)
    last_seen_at = models.DateTimeField()

    class Meta:
        constraints = (
            models.UniqueConstraint(
                fields=("instance", "kind", "owner_id", "name"), name="history_part_is_unique"
            ),
        )

    def __str__(self) -> str:
        return self.name


class HistoryBatch(models.Model):
    """The samples of one instance within one minute, as they were taken; sealed and deleted when their hour is over."""

    instance = models.ForeignKey(Instance, models.DO_NOTHING, db_index=False, db_constraint=False)
    start_epoch = models.BigIntegerField(help_text="Of the first sample, epoch seconds.")
    source = models.PositiveSmallIntegerField(choices=SpanSource, default=SpanSource.OWN)
    # Who looks at all objects of an hour reads the means alone: they come first in the row.
    means = models.BinaryField(help_text="Of the whole minute; see monitoring.history.batches.")
    body = models.BinaryField(help_text="Each sample of it.")

    class Meta:
        verbose_name_plural = "history batches"
        constraints = (
            models.UniqueConstraint(
                fields=("instance", "start_epoch", "source"), name="history_batch_is_unique"
            ),
        )

    def __str__(self) -> str:
        return f"{self.instance_id} {self.start_epoch}"


class HistorySpan(models.Model):
    """That the samples of one instance, tier and span of time lie in blocks; both are written and deleted together.

    `source` says who has taken them: Pulse, or Proxmox, whose own records were read.
    """

    instance = models.ForeignKey(Instance, models.DO_NOTHING, db_index=False, db_constraint=False)
    tier = models.PositiveSmallIntegerField(choices=Tier)
    source = models.PositiveSmallIntegerField(choices=SpanSource, default=SpanSource.OWN)
    start_epoch = models.BigIntegerField()
    end_epoch = models.BigIntegerField(help_text="The first second after it.")
    value_count = models.BigIntegerField(default=0)
    stored_bytes = models.BigIntegerField(default=0, help_text="Of its blocks, compressed.")

    class Meta:
        constraints = (
            # Which spans there are of a tier in a range, and which is the oldest.
            models.UniqueConstraint(
                fields=("instance", "tier", "start_epoch", "source"), name="history_span_is_unique"
            ),
        )

    def __str__(self) -> str:
        return f"{self.instance_id} {Tier(self.tier).label} {self.start_epoch}"


class HistoryBlock(models.Model):
    """The series of a few objects of one kind within a span, series after series."""

    span = models.ForeignKey(HistorySpan, models.DO_NOTHING, db_index=False, db_constraint=False)
    kind = models.PositiveSmallIntegerField(help_text="See monitoring.history.metrics.")
    chunk = models.BigIntegerField(
        help_text="The primary key of an object, divided by the objects of a block."
    )
    body = models.BinaryField(help_text="See monitoring.history.blocks.")

    class Meta:
        constraints = (
            models.UniqueConstraint(fields=("span", "kind", "chunk"), name="history_block_is_unique"),
        )

    def __str__(self) -> str:
        return f"{self.span_id} {self.kind} {self.chunk}"


class BlindTime(models.Model):
    """That nothing was seen of an instance for a while, and why; `filled_until` how far Proxmox's own records have closed it."""

    instance = models.ForeignKey(Instance, on_delete=models.CASCADE, db_index=False)
    start_epoch = models.BigIntegerField()
    end_epoch = models.BigIntegerField()
    cause = models.CharField(max_length=16, choices=BlindCause)
    is_filled = models.BooleanField(default=False)

    class Meta:
        constraints = (
            models.UniqueConstraint(fields=("instance", "start_epoch"), name="blind_time_is_unique"),
        )

    def __str__(self) -> str:
        return f"{self.instance_id} {self.start_epoch}"


# --- History: events --------------------------------------------------------------------------------------------------


class HistoryEvent(models.Model):
    """What happened to an object: a task of Proxmox, a change of its configuration. Written once; a task once more when it ends."""

    instance = models.ForeignKey(Instance, on_delete=models.CASCADE, db_index=False)
    object_kind = models.CharField(max_length=16)
    object_id = models.BigIntegerField(help_text="The primary key of the object's row.")
    kind = models.CharField(max_length=16, choices=EventKind)
    code = models.CharField(max_length=64, help_text="vzdump, qmigrate, ..., or which setting changed.")
    text = models.CharField(max_length=300, blank=True)
    outcome = models.CharField(
        max_length=16, blank=True, help_text="ok, warning, failed, running; empty: none."
    )
    key = models.CharField(
        max_length=200, help_text="Tells it from all others of its instance, such as its UPID."
    )
    start_epoch = models.BigIntegerField()
    end_epoch = models.BigIntegerField(null=True, blank=True)

    class Meta:
        constraints = (models.UniqueConstraint(fields=("instance", "key"), name="history_event_is_unique"),)
        # The events of an object, of an instance, or of all of them, in a range.
        indexes = (
            models.Index(fields=("object_kind", "object_id", "start_epoch"), name="history_event_of_object"),
            models.Index(fields=("instance", "start_epoch"), name="history_event_of_instance"),
            models.Index(fields=("start_epoch",), name="history_event_in_order"),
        )

    def __str__(self) -> str:
        return f"{self.kind} {self.code}"


# --- History: what is read from Proxmox -------------------------------------------------------------------------------


class Backfill(models.Model):
    """The reading of Proxmox's own records of one instance: waiting -> running -> done, cancelled or failed."""

    instance = models.ForeignKey(Instance, on_delete=models.CASCADE, db_index=False)
    reason = models.CharField(max_length=16, choices=BackfillReason)
    state = models.CharField(max_length=16, choices=BackfillState, default=BackfillState.WAITING)
    start_epoch = models.BigIntegerField(
        null=True, blank=True, help_text="From when; empty: as far back as there is anything."
    )
    end_epoch = models.BigIntegerField(help_text="Until when: from then on there are samples of our own.")
    cursor = models.CharField(max_length=200, blank=True, help_text="Where it goes on.")
    done_count = models.PositiveIntegerField(default=0, help_text="Objects that have been read.")
    total_count = models.PositiveIntegerField(default=0)
    failed_count = models.PositiveIntegerField(default=0, help_text="Objects of which nothing could be read.")
    message = models.CharField(max_length=300, blank=True)
    trial_count = models.PositiveIntegerField(
        default=0, help_text="In a row that the host did not answer; 0: it does."
    )
    tried_at = models.DateTimeField(null=True, blank=True)
    created_at = models.DateTimeField(default=timezone.now)
    ended_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering: ClassVar[tuple[str, ...]] = ("-created_at",)
        indexes = (models.Index(fields=("instance", "state"), name="backfill_of_instance"),)

    def __str__(self) -> str:
        return f"backfill of {self.instance_id}"


# --- History: what is written to others -------------------------------------------------------------------------------


class RemoteWriteTarget(models.Model):
    """An engine to which the samples are written as Prometheus remote write 1.0, and how far that has come."""

    # identity
    uid = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    name = models.CharField(max_length=128, unique=True)
    # configuration
    url = models.CharField(
        max_length=500, help_text="The whole address, such as https://metrics.lab:8428/api/v1/write"
    )
    is_enabled = models.BooleanField("enabled", default=True)
    login = models.CharField(max_length=8, choices=RemoteLogin, default=RemoteLogin.NONE)
    user = models.CharField(max_length=128, blank=True)
    sealed_password = Secret(blank=True, editable=False, given_as="password")
    sealed_token = Secret(blank=True, editable=False, given_as="token")
    tenant = models.CharField(
        max_length=150,
        blank=True,
        help_text="Sent as X-Scope-OrgID and THANOS-TENANT, where an engine has several.",
    )
    extra_labels = models.JSONField(
        default=dict, blank=True, help_text='Added to every series, such as {"site": "home"}.'
    )
    step_seconds = models.PositiveSmallIntegerField(
        "step",
        default=0,
        choices=((0, "every sample"), (60, "a mean for each minute")),
        help_text="Means of minutes are a sixth of the traffic.",
    )
    verify_tls = models.BooleanField("verify TLS", default=True)
    fingerprint = models.CharField(
        max_length=64,
        blank=True,
        help_text="SHA-256 of the certificate, hex; pins exactly this one in place of the authorities.",
    )
    version = models.PositiveIntegerField(default=1, editable=False)
    # observed
    last_success_at = models.DateTimeField(null=True, blank=True, editable=False)
    failing_since = models.DateTimeField(null=True, blank=True, editable=False)
    failure_message = models.CharField(max_length=300, blank=True, editable=False)
    failures = models.PositiveIntegerField(default=0, editable=False, help_text="In a row.")
    next_try_at = models.DateTimeField(null=True, blank=True, editable=False)
    sent_count = models.BigIntegerField("samples sent", default=0, editable=False)
    dropped_count = models.BigIntegerField("samples dropped", default=0, editable=False)
    dropped_at = models.DateTimeField("last dropped", null=True, blank=True, editable=False)
    drop_reason = models.CharField(max_length=300, blank=True, editable=False)
    # bookkeeping
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    class Meta:
        ordering: ClassVar[tuple[str, ...]] = ("name",)

    def __str__(self) -> str:
        return self.name

    @property
    def password_place(self) -> str:
        """What the sealed password is bound to."""
        return f"remote-write:{self.uid}:password"

    @property
    def token_place(self) -> str:
        """What the sealed token is bound to."""
        return f"remote-write:{self.uid}:token"

    @property
    def is_tls_unchecked(self) -> bool:
        """Whether anybody between here and the engine could read the samples and the login."""
        return self.url.startswith("http://") or not (self.fingerprint or self.verify_tls)


class RemoteWriteCursor(models.Model):
    """From when on the samples of one instance are still to be sent to a target: the start of a minute.

    `accepted_count` is how many requests of that minute were accepted already; they are made the same way each time.
    """

    target = models.ForeignKey(RemoteWriteTarget, on_delete=models.CASCADE, db_index=False)
    instance = models.ForeignKey(Instance, on_delete=models.CASCADE)
    next_epoch = models.BigIntegerField()
    accepted_count = models.PositiveIntegerField(default=0)

    class Meta:
        constraints = (
            models.UniqueConstraint(fields=("target", "instance"), name="remote_write_cursor_is_unique"),
        )

    def __str__(self) -> str:
        return f"{self.target_id} {self.instance_id} {self.next_epoch}"
