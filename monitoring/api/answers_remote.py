"""What the routes of remote write answer."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

import msgspec

from monitoring.exporting.remote.standing import lag_seconds
from monitoring.models import RemoteWriteTarget
from nodes.addresses import spelled_fingerprint
from pulse.lib.instants import WireInstant, rfc3339


class RemoteWriteTargetShape(msgspec.Struct, rename="camel"):
    """An engine to which samples are written, and how far that has come.

    `login` is `none`, `basic` or `bearer`; secrets are never told, only whether there is one. `stepSeconds` is 0 for every sample, 60
    for a mean of each minute. `status`: `ok`; `failing`, with `message` and `failingSince`, while the engine takes nothing, and nothing is
    lost for two hours; `waiting` before the first samples; `off`. `lagSeconds` is how old the oldest sample is that waits, one to
    three minutes when all is well. `dropped` are samples that the engine has refused, or that have waited for two hours. `sent` and
    `dropped` are counted since the target was added. What is not known is null.
    """

    id: int
    name: str
    url: str
    enabled: bool
    login: str
    user: str
    has_password: bool
    has_token: bool
    tenant: str
    extra_labels: dict[str, str]
    step_seconds: int
    verify_tls: bool = msgspec.field(name="verifySSL")
    fingerprint: str
    tls_unchecked: bool
    status: Literal["ok", "failing", "waiting", "off"]
    message: str
    last_success: WireInstant | None
    failing_since: WireInstant | None
    next_try: WireInstant | None
    lag_seconds: int | None
    sent: int
    dropped: int
    last_dropped: WireInstant | None
    drop_reason: str


class RemoteWriteTargets(msgspec.Struct):
    """All of them, by name."""

    targets: list[RemoteWriteTargetShape]


class RemoteWriteTested(msgspec.Struct):
    """How a test went; `message` says what failed."""

    status: Literal["success", "error"]
    message: str


def shape_of(target: RemoteWriteTarget, *, at: datetime) -> RemoteWriteTargetShape:
    """Return a target as it is told, without its secrets."""
    return RemoteWriteTargetShape(
        id=target.pk,
        name=target.name,
        url=target.url,
        enabled=target.is_enabled,
        login=target.login,
        user=target.user,
        has_password=bool(target.sealed_password),
        has_token=bool(target.sealed_token),
        tenant=target.tenant,
        extra_labels=target.extra_labels,
        step_seconds=target.step_seconds,
        verify_tls=target.verify_tls,
        fingerprint=spelled_fingerprint(target.fingerprint),
        tls_unchecked=target.is_tls_unchecked,
        status=status_of(target),
        message=target.failure_message,
        last_success=instant(target.last_success_at),
        failing_since=instant(target.failing_since),
        next_try=instant(target.next_try_at),
        lag_seconds=lag_seconds(target, at=at),
        sent=target.sent_count,
        dropped=target.dropped_count,
        last_dropped=instant(target.dropped_at),
        drop_reason=target.drop_reason,
    )


def status_of(target: RemoteWriteTarget) -> Literal["ok", "failing", "waiting", "off"]:
    """Return how a target stands in one word."""
    if not target.is_enabled:
        return "off"
    if target.failing_since is not None:
        return "failing"
    return "waiting" if target.last_success_at is None else "ok"


def instant(at: datetime | None) -> str | None:
    """Return an instant to the second, None for none."""
    return None if at is None else rfc3339(at.replace(microsecond=0))
