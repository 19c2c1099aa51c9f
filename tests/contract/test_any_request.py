"""Schemathesis tries every operation of the OpenAPI document with what it allows and with what it does not.

No answer is 5xx, none has a status or a body that the document does not know. The requests are the same in every run.
"""

from __future__ import annotations

import json

import pytest
import schemathesis
import time_machine
from django.core.cache import caches
from django.core.wsgi import get_wsgi_application
from django.db import transaction
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis.errors import Unsatisfiable
from schemathesis.checks import not_a_server_error
from schemathesis.core.failures import FailureGroup
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from pulse.openapi.document import document
from tests.monitoring.collected import moment

CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
]
#: Requests of each operation, those that the document allows and those that it does not.
EACH = 10


class Undone(Exception):
    """Ends a transaction whose changes are not wanted."""


@pytest.mark.slow
@pytest.mark.timeout(240)
def test_no_request_brings_an_answer_that_is_not_described(described_estate, token_client):
    token = token_client("admin").defaults["HTTP_X_API_TOKEN"]
    caller = {"X-API-Token": token, "Host": "pulse.test", "Accept-Encoding": "identity"}
    schema = schemathesis.openapi.from_dict(json.loads(document()))
    application = get_wsgi_application()
    statuses: dict[str, set[int]] = {}
    problems: list[str] = []
    untried: list[str] = []

    def tried(case):
        """Send one request, see what is answered, and undo what it has changed."""
        caches["limits"].clear()
        try:
            with transaction.atomic():
                response = case.call(app=application, headers=caller)
                statuses.setdefault(case.operation.label, set()).add(response.status_code)
                case.validate_response(response, checks=CHECKS)
                raise Undone
        except Undone:
            pass

    with time_machine.travel(moment(described_estate.pve), tick=False):
        for found in schema.get_all_operations():
            operation = found.ok()
            for mode in (schemathesis.GenerationMode.POSITIVE, schemathesis.GenerationMode.NEGATIVE):
                try:
                    every(operation, mode)(tried)
                except Unsatisfiable:
                    untried.append(f"{operation.label} ({mode.value})")
                except (Exception, FailureGroup) as failure:
                    problems.append(f"{operation.label} ({mode.value}): {failure}")

    assert problems == []
    # They take nothing that could be wrong.
    assert untried == [
        f"GET /api/{name} (negative)" for name in ("health", "ready", "version", "security/status")
    ]
    assert len(statuses) == 52
    assert {200, 201, 400, 404} <= set().union(*statuses.values())


def every(operation, mode):
    """Return what lets a function try many requests of an operation, the same ones each time."""

    def run(function):
        strategy = operation.as_strategy(generation_mode=mode)
        settings(
            max_examples=EACH,
            derandomize=True,
            database=None,
            deadline=None,
            phases=[Phase.explicit, Phase.generate],
            suppress_health_check=list(HealthCheck),
        )(given(strategy)(function))()

    return run
