"""`/metrics`: everything that is monitored as series, and Pulse itself. Source: docs/prometheus.md."""

from __future__ import annotations

import contextlib
import os
import platform
from functools import partial

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from django.utils.cache import patch_vary_headers

import pulse
from monitoring.exporting import exposition
from monitoring.exporting.answers import ANSWERS
from monitoring.exporting.catalogue import Book
from monitoring.exporting.exposition import spelled
from monitoring.feed.state import STATE
from monitoring.known.troubles import NO_TROUBLES, TROUBLES
from monitoring.store.current import store
from pulse.diagnostics import resident_bytes
from pulse.lib import saving
from pulse.lib.auth import Access, policy
from pulse.lib.gzipping import accepts_gzip
from pulse.runtime import local

#: What a client that takes anything gets.
TEXT_TYPES = ("text/plain", "text/*", "*/*")
OPEN_METRICS_TYPE = "application/openmetrics-text"


@policy(GET=Access.METRICS_READ)
def metrics(request: HttpRequest) -> HttpResponse:
    """Answer in the text format 0.0.4, or as OpenMetrics for who would rather have that."""
    is_open_metrics = prefers_open_metrics(request.headers.get("Accept", ""))
    at_epoch = timezone.now().timestamp()
    found = ANSWERS.current(
        is_open_metrics=is_open_metrics,
        at_epoch=at_epoch,
        interval=settings.POLLING_INTERVAL_SECONDS,
        own=partial(add_own, at_epoch=at_epoch),
    )
    is_compressed = accepts_gzip(request.headers.get("Accept-Encoding", ""))
    response = HttpResponse(
        found.gzipped if is_compressed else found.plain,
        content_type=exposition.OPEN_METRICS if is_open_metrics else exposition.TEXT,
    )
    if is_compressed:
        response.headers["Content-Encoding"] = "gzip"
    patch_vary_headers(response, ("Accept", "Accept-Encoding"))
    return response


def prefers_open_metrics(header: str) -> bool:
    """Return whether an Accept header weighs OpenMetrics at least as much as plain text; not when it does not name it."""
    weights: dict[str, float] = {}
    for part in header.lower().split(","):
        name, *parameters = (piece.strip() for piece in part.split(";"))
        weights[name] = max(weights.get(name, 0.0), weight_of(parameters))
    wanted = weights.get(OPEN_METRICS_TYPE, 0.0)
    # The less exact types count only where plain text is not named.
    text = next((weights[name] for name in TEXT_TYPES if name in weights), 0.0)
    return wanted > 0 and wanted >= text


def weight_of(parameters: list[str]) -> float:
    """Return the q of a media range, 1 where there is none, 0 where it is no number."""
    for parameter in parameters:
        name, _, value = parameter.partition("=")
        if name == "q":
            try:
                return float(value)
            except ValueError:
                return 0.0
    return 1.0


def add_own(book: Book, *, at_epoch: float) -> None:
    """Write down how Pulse itself is, as far as this process knows."""
    build = {"version": pulse.__version__, "python": platform.python_version()}
    book.add("pulse_build_info", spelled(build), 1)
    trouble = saving.trouble()
    book.add("pulse_database_writable", "", int(trouble is None or trouble.can_write))
    troubles = store().load(TROUBLES) or NO_TROUBLES
    book.add("pulse_failing_tasks", "", len(troubles.lasting(at_epoch=at_epoch)))
    book.add("pulse_feed_clients", "", STATE.clients)
    pool = local.working_pool()
    if pool is not None:
        book.add("pulse_tasks_running", "", pool.busy)
        book.add("pulse_tasks_waiting", "", pool.waiting)
    add_process(book, at_epoch=at_epoch)


def add_process(book: Book, *, at_epoch: float) -> None:
    """Write down what this process uses; how much is open only where the system tells it."""
    times = os.times()
    book.add("process_cpu_seconds_total", "", times.user + times.system)
    book.add("process_resident_memory_bytes", "", resident_bytes() or None)
    book.add("process_start_time_seconds", "", STATE.started_epoch(at_epoch))
    with contextlib.suppress(OSError):
        book.add("process_open_fds", "", len(os.listdir("/proc/self/fd")))
