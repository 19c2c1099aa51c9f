"""One request to an engine: as whom, over which connection, and what has come of it."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from datetime import datetime
from typing import NamedTuple

import pulse
from monitoring.choices import RemoteLogin
from monitoring.exporting.remote.outcomes import Outcome, Verdict, outcome_of
from monitoring.exporting.remote.snappy import compressed
from monitoring.models import RemoteWriteTarget
from nodes import reach
from pulse.lib.crypto import SealBroken, unseal
from pulse.lib.outbound.errors import OutboundError
from pulse.lib.outbound.session import Adapter, Session

#: One whole request; an engine that takes longer is as good as away.
REQUEST_SECONDS = 10.0
#: An engine answers with nothing, or a sentence.
MAX_ANSWER_BYTES = 64 << 10

HEADERS: Mapping[str, str] = {
    "Content-Encoding": "snappy",
    "Content-Type": "application/x-protobuf",
    "X-Prometheus-Remote-Write-Version": "0.1.0",
    "User-Agent": f"Pulse/{pulse.__version__}",
}


class Line(NamedTuple):
    """The way to one engine for a while; `close` it afterwards."""

    url: str
    session: Session
    adapter: Adapter

    def post(self, message: bytes, *, at: datetime) -> Outcome:
        """Send one message; never raises for what the other side does."""
        try:
            answer = self.session.post(self.url, data=compressed(message), timeout=REQUEST_SECONDS)
        except OutboundError as error:
            return Outcome(Verdict.LATER, str(error)[:300])
        return outcome_of(answer.status_code, answer.content, answer.headers.get("Retry-After"), at=at)

    def close(self) -> None:
        """Close its connections."""
        self.adapter.close()


def line_to(target: RemoteWriteTarget) -> Line:
    """Return the way to a target; raises SealBroken when its secret cannot be opened."""
    adapter = Adapter(
        reach.policy(),
        verify_tls=target.verify_tls,
        fingerprint=target.fingerprint,
        max_body_bytes=MAX_ANSWER_BYTES,
        repeatable=(
            "POST",
        ),  # an engine takes the same samples twice, and each connection costs more than a request
    )
    return Line(
        target.url, Session(adapter, {**HEADERS, **login_headers(target), **tenant_headers(target)}), adapter
    )


def login_headers(target: RemoteWriteTarget) -> dict[str, str]:
    """Return the header of the login; raises SealBroken."""
    if target.login == RemoteLogin.BEARER:
        return {"Authorization": f"Bearer {unseal(target.sealed_token, place=target.token_place)}"}
    if target.login == RemoteLogin.BASIC:
        password = unseal(target.sealed_password, place=target.password_place)
        return {"Authorization": f"Basic {base64.b64encode(f'{target.user}:{password}'.encode()).decode()}"}
    return {}


def tenant_headers(target: RemoteWriteTarget) -> dict[str, str]:
    """Return by which headers Mimir and Thanos know whose samples these are."""
    return {"X-Scope-OrgID": target.tenant, "THANOS-TENANT": target.tenant} if target.tenant else {}


def tried(target: RemoteWriteTarget, *, at: datetime) -> Outcome:
    """Return what comes of a message without samples: address, certificate and login are tried, and nothing is written."""
    try:
        line = line_to(target)
    except SealBroken as error:
        return Outcome(Verdict.LATER, str(error))
    try:
        return line.post(b"", at=at)
    finally:
        line.close()
