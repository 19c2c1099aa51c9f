"""`/pve`: what prometheus-pve-exporter answers for a host or cluster, from what is known of it. Source: clients.md 3."""

from __future__ import annotations

from itertools import chain

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from django.utils.cache import patch_vary_headers

from monitoring.exporting import exposition
from monitoring.exporting.pve_cluster import cluster_families
from monitoring.exporting.pve_known import known_of
from monitoring.exporting.pve_node import node_families
from monitoring.exporting.pve_targets import Target, targets_of
from pulse.lib.auth import Access, policy
from pulse.lib.errors import ApiError
from pulse.lib.gzipping import accepts_gzip, compress

#: How the exporter spells no.
NO = frozenset({"false", "0", ""})


@policy(GET=Access.METRICS_READ)
def pve(request: HttpRequest) -> HttpResponse:
    """Answer as the exporter does: `target` is one instance, `cluster` and `node` what is wanted of it. Any `module` will do."""
    target = asked_target(request.GET.get("target", ""))
    known = known_of(
        target.instance,
        target.node,
        at_epoch=timezone.now().timestamp(),
        interval=settings.POLLING_INTERVAL_SECONDS,
    )
    if known is None:
        # As the exporter answers 500: to Prometheus the target is down, and nothing old is taken for new.
        raise ApiError(503, f"{target.instance.name} does not answer", code="instance_down")
    families = chain(
        cluster_families(known) if is_wanted(request, "cluster") else (),
        node_families(known) if is_wanted(request, "node") else (),
    )
    return answer(request, exposition.text_of(families), exposition.TEXT)


def asked_target(name: str) -> Target:
    """Return the one instance that a target names; raises ApiError 400 for none given, 404 for none of that name, or several."""
    if not name:
        raise ApiError(400, "target is missing: the name, the id or the host of an instance")
    found = targets_of(name)
    if not found:
        raise ApiError(404, f"no Proxmox VE instance is called {name!r:.200}", code="target_not_found")
    if len(found) > 1:
        ids = ", ".join(one.instance.wire_id for one in found)
        raise ApiError(404, f"the target names several instances; take an id: {ids}", code="target_not_found")
    return found[0]


def is_wanted(request: HttpRequest, part: str) -> bool:
    """Return whether a part of the answer is wanted, as it is unless the request says no."""
    return request.GET.get(part, "1").lower() not in NO


def answer(request: HttpRequest, body: bytes, media_type: str) -> HttpResponse:
    """Return the text, compressed for who accepts that."""
    is_compressed = accepts_gzip(request.headers.get("Accept-Encoding", ""))
    response = HttpResponse(compress(body) if is_compressed else body, content_type=media_type)
    if is_compressed:
        response.headers["Content-Encoding"] = "gzip"
    patch_vary_headers(response, ("Accept-Encoding",))
    return response
