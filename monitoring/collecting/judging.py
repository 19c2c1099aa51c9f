"""Bring together what was collected of all instances and have it judged: whose each backup is, which guests are safe.

One look over everything, again when something has changed and now and then because time goes on. It asks no host.
"""

from __future__ import annotations

from datetime import datetime

from monitoring.backups.apart import Apart
from monitoring.backups.judgement import JUDGEMENT, NOTHING_JUDGED, judge
from monitoring.collecting.evidence import evidence_of, marks_of
from monitoring.store.current import store
from nodes.models import Instance

#: Nothing has changed: judged again after this long, because backups grow old.
AGING_SECONDS = 300.0


def judge_if_due(at: datetime) -> bool:
    """Judge when something has changed or backups have aged; returns whether it did."""
    last = store().load(JUDGEMENT) or NOTHING_JUDGED
    instances = list(Instance.objects.all())
    marks = marks_of(instances)
    if marks == last.marks and 0 <= at.timestamp() - last.judged_epoch < AGING_SECONDS:
        return False
    apart = Apart(before=last.failures)
    hosts, servers = evidence_of(instances, apart)
    store().save(JUDGEMENT, judge(hosts, servers, marks, version=last.version + 1, at=at, apart=apart))
    return True
