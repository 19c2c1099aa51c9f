"""What monitoring keeps over a restart."""

from __future__ import annotations

import gzip
import zlib
from datetime import datetime

import msgspec
from django.db import models

from monitoring.known.facts import LAYOUT, Facts
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
