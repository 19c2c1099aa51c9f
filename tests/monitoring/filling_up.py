"""Ninety days of something that fills up, for tests of forecasts: as Proxmox's own records would have told them."""

from __future__ import annotations

from monitoring.history.metrics import DISK_TOTAL, DISK_USED
from monitoring.history.telling import ToldSeries, keep_told
from tests.conftest import NOON

EPOCH = int(NOON.timestamp())
DAY = 86_400
QUARTER = DAY // 4
TIB = float(1 << 40)


def fill(instance_id, kind, pk, *, share, per_day=0.0, days=90, total=TIB):
    """Keep that an object is full to this share now, and was less so by `per_day` of it each day before."""
    end = EPOCH // QUARTER * QUARTER
    epochs = list(range(end - days * DAY, end, QUARTER))
    used = [(share - per_day * (end - epoch - QUARTER / 2) / DAY) * total for epoch in epochs]
    values = {DISK_USED: used, DISK_TOTAL: [total] * len(epochs)}
    keep_told(instance_id, [ToldSeries(kind, pk, epochs, [QUARTER] * len(epochs), values)])
