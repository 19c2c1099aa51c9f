"""On which objects a threshold is tried: by id, several ids, or all of a kind."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from monitoring.api.parts import part_of
from monitoring.api.series import NAMES_OF
from monitoring.api.subjects import Shown, all_subjects, chosen_subjects
from monitoring.figures.guests import GuestFigures
from monitoring.figures.nodes import NodeFigures
from monitoring.figures.servers import GatewayFigures, ServerFigures
from monitoring.figures.storages import StorageFigures
from monitoring.history.metrics import Kind
from pulse.lib.errors import ApiError

#: Resources that are looked at for one question.
MOST_RESOURCES = 1_000
KINDS: Mapping[str, type] = {
    "guest": GuestFigures,
    "node": NodeFigures,
    "storage": StorageFigures,
    "pbs": ServerFigures,
    "pmg": GatewayFigures,
}


class Target(NamedTuple):
    """An object on which the threshold is tried."""

    shown: Shown
    identity: str
    kind: Kind
    pk: int


def targets_of(asked: Mapping[str, Any]) -> tuple[list[Target], list[str]]:
    """Return what the threshold is tried on, and the ids that are not there; raises ApiError 400 and 404."""
    if sum(name in asked for name in ("resource", "resources", "kind")) != 1:
        raise ApiError(400, "name one of resource, resources and kind")
    if "part" in asked and "resource" not in asked:
        raise ApiError(400, "part needs resource")
    metric = asked["metric"]
    if "kind" in asked:
        return targets_of_kind(KINDS[asked["kind"]], metric), []
    identities = list(dict.fromkeys(asked.get("resources") or [asked["resource"]]))
    targets: list[Target] = []
    for shown, subjects in chosen_subjects(identities):
        for subject in subjects:
            kind, pk = subject.kind, subject.pk
            if "part" in asked:
                kind, pk = part_of(subject, shown.instance_id, asked["part"])
            if metric not in NAMES_OF[kind]:
                raise ApiError(
                    400, f"metric must be one that {subject.identity!r:.200} has: {', '.join(NAMES_OF[kind])}"
                )
            if pk is not None:
                targets.append(Target(shown, subject.identity, kind, pk))
    found = {target.identity for target in targets}
    missing = [identity for identity in identities if identity not in found]
    if "resource" in asked and not targets:
        raise ApiError(
            404, f"there is no resource called {asked['resource']!r:.200}", code="resource_not_found"
        )
    return targets, missing if "resources" in asked else []


def targets_of_kind(figures: type, metric: str) -> list[Target]:
    """Return all resources of a kind; raises ApiError 400 when they are too many, or have no such metric."""
    targets = [
        Target(shown, subject.identity, subject.kind, subject.pk)
        for shown, subjects in all_subjects()
        for subject in subjects
        if isinstance(subject.figures, figures) and subject.pk is not None
    ]
    if len(targets) > MOST_RESOURCES:
        raise ApiError(
            400, f"there are {len(targets)} of this kind; name up to {MOST_RESOURCES} under resources"
        )
    for target in targets[:1]:
        if metric not in NAMES_OF[target.kind]:
            raise ApiError(400, f"metric must be one that this kind has: {', '.join(NAMES_OF[target.kind])}")
    return targets
