"""The OpenAPI document: that it is valid, that it has every route, and that what is answered is what it says."""

from __future__ import annotations

import copy
import json
import re
import subprocess
import sys
from typing import Any

import pytest
import time_machine
from django.core.cache import caches
from django.test import Client
from jsonschema import Draft202012Validator
from openapi_spec_validator import OpenAPIV31SpecValidator

from monitoring.history.backfill import ask
from pulse.lib.auth import Access, policy_of
from pulse.openapi.document import document
from tests.accounts.fixtures import REMOTE
from tests.architecture.routes import all_routes
from tests.monitoring.collected import moment
from tests.monitoring.remote.targets import make_target

pytestmark = pytest.mark.slow

Json = dict[str, Any]
#: What only somebody who knows our code and our papers understands.
OUR_WORDS = re.compile(
    r"state\.md|http-api|errors\.md|README|(monitoring|nodes|pulse|accounts)\.[a-z]|our own|\bours\b|contract"
)


@pytest.fixture(scope="module")
def described() -> Json:
    """The document."""
    return json.loads(document())


def operations(described: Json) -> dict[str, Json]:
    """Return every operation by `METHOD path`."""
    return {
        f"{method.upper()} {path}": operation
        for path, methods in described["paths"].items()
        for method, operation in methods.items()
    }


def declared_methods() -> list[tuple[str, str, Access]]:
    """Return path, method and access of everything under the API, as the views declare it."""
    return [
        ("/" + re.sub(r"<(?:[a-z]+:)?([a-z_]+)>", r"{\1}", route.pattern), method, access)
        for route in all_routes()
        if route.pattern.startswith("api/")
        for method, access in policy_of(route.view).methods.items()
    ]


def answer_of(described: Json, operation: Json, status: int) -> Json:
    """Return what the document says of an answer, empty when it does not know the status."""
    answer = operation["responses"].get(str(status), {})
    if "$ref" in answer:
        answer = described["components"]["responses"][answer["$ref"].rpartition("/")[2]]
    return answer


def strict(described: Json) -> Json:
    """Return the components so that an object has no key that is not described."""
    components = copy.deepcopy(described["components"])
    for schema in components["schemas"].values():
        if "properties" in schema:
            schema["additionalProperties"] = False
    return components


def problems(described: Json, schema: Json, value: Any) -> list[str]:
    """Return how a value differs from its schema."""
    validator = Draft202012Validator(
        schema | {"components": strict(described)}, format_checker=Draft202012Validator.FORMAT_CHECKER
    )
    return [f"{list(error.absolute_path)}: {error.message:.300}" for error in validator.iter_errors(value)]


def test_the_document_is_valid(described):
    assert described["openapi"].startswith("3.1")
    assert list(OpenAPIV31SpecValidator(described).iter_errors()) == []


def test_it_has_every_route_with_every_method_and_no_other(described):
    declared = {f"{method} {path}" for path, method, _ in declared_methods()}

    assert set(operations(described)) == declared
    assert len(declared) > 35


def test_every_operation_is_told_in_words(described):
    unclear = []
    for name, operation in operations(described).items():
        if not (operation["summary"] and operation["description"] and len(operation["tags"]) == 1):
            unclear.append(name)
        unclear += [
            f"{name} {parameter['name']}"
            for parameter in operation.get("parameters", ())
            if not (parameter.get("description") and parameter.get("example"))
        ]
    ids = [operation["operationId"] for operation in operations(described).values()]

    assert unclear == []
    assert len(ids) == len(set(ids))


def words(value: Any, path: str = "") -> list[tuple[str, str]]:
    """Return every description and summary, with where it stands."""
    if isinstance(value, list):
        return [found for index, one in enumerate(value) for found in words(one, f"{path}/{index}")]
    if not isinstance(value, dict):
        return []
    own = [(path, value[key]) for key in ("description", "summary") if isinstance(value.get(key), str)]
    return own + [
        found for key, one in value.items() if key != "example" for found in words(one, f"{path}/{key}")
    ]


def test_descriptions_serve_a_reader_who_never_saw_the_code(described):
    assert [(path, text) for path, text in words(described) if OUR_WORDS.search(text)] == []


def test_every_shape_is_described(described):
    shapes = described["components"]["schemas"]

    assert [name for name, shape in shapes.items() if not shape.get("description")] == []


def test_every_answer_and_every_body_has_an_example_that_fits(described):
    wrong = []
    for name, operation in operations(described).items():
        holders = {"body": operation["requestBody"]} if "requestBody" in operation else {}
        holders |= {status: answer_of(described, operation, int(status)) for status in operation["responses"]}
        for status, holder in holders.items():
            for content in holder.get("content", {}).values():
                if "example" not in content:
                    wrong.append(f"{name} {status}: none")
                else:
                    wrong += [
                        f"{name} {status}: {one}"
                        for one in problems(described, content["schema"], content["example"])
                    ]

    assert wrong == []


def test_every_operation_tells_how_it_refuses(described):
    missing = []
    for path, method, access in declared_methods():
        operation = described["paths"][path][method.lower()]
        wanted = {"400", "413", "500", "503"}
        if access is not Access.PUBLIC:
            wanted |= {"401", "403", "429"}
        if "{" in path:
            wanted.add("404")
        if "requestBody" in operation:
            wanted.add("408")
        missing += [f"{method} {path}: {status}" for status in wanted - operation["responses"].keys()]

    assert missing == []


def test_who_needs_a_credential_is_told(described):
    open_ones = {name for name, operation in operations(described).items() if not operation.get("security")}

    assert open_ones == {"GET /api/health", "GET /api/ready", "GET /api/version", "GET /api/security/status"}
    assert set(described["components"]["securitySchemes"]) == {
        "apiToken", "apiKey", "bearer", "basic", "session",
    }  # fmt: skip


# --- What is answered -------------------------------------------------------------------------------------------------

NEW = {"type": "pve", "host": "192.0.2.40", "user": "a@pam", "password": "secret"}


def bodies(estate: Any) -> dict[str, Json]:
    """Return a good body for every operation that takes one."""
    server = estate.pve.server
    known = {
        "type": "pve",
        "host": estate.pve.instance.host,
        "tokenName": server.token_id,
        "tokenValue": server.token_value,
    }
    return {
        "POST /api/config/nodes": NEW,
        "PUT /api/config/nodes/": {"name": "x"},
        "PUT /api/config/nodes/{node_id}": {"name": "renamed"},
        "POST /api/config/nodes/test-connection": known,
        "POST /api/config/nodes/test-config": known,
        "POST /api/config/nodes/certificate": {"type": "pve", "host": known["host"]},
        "POST /api/history/whatif": {"kind": "guest", "metric": "cpu", "trigger": 80},
        "POST /api/history/backfills": {"instance": "pve-0", "days": 30},
        "POST /api/history/remote-write": {"name": "other", "url": "https://metrics.lab/api/v1/write"},
        "PUT /api/history/remote-write/{target_id}": {"tenant": "lab"},
        "POST /api/security/tokens": {"name": "x", "scopes": ["monitoring:read"], "expiresInDays": 5},
    }


def calls(described: Json, estate: Any, token_id: str) -> list[tuple[str, str, bytes]]:
    """Return name, address and body of good and bad calls of every operation, those that remove something last."""
    values = {
        "identity": [
            estate.identity(kind) for kind in ("nodes", "vms", "containers", "storage", "pbs", "pmg")
        ],
        "node_id": ["pve-0", "pbs-0", "pmg-0"],
        "public_id": [token_id],
        "backfill_id": [str(ask(estate.pbs.instance, at=moment(estate.pbs)).pk)],
        "target_id": [str(make_target().pk)],
    }
    made = []
    for name, operation in sorted(operations(described).items(), key=lambda one: one[0].startswith("DELETE")):
        path = name.partition(" ")[2]
        good = json.dumps(bodies(estate).get(name, {})).encode() if "requestBody" in operation else b""
        parameter = re.search(r"{(\w+)}", path)
        addresses = (
            [path]
            if parameter is None
            else [path.replace(parameter[0], value) for value in [*values[parameter[1]], "nothing", "pve-77"]]
        )
        raw_bodies = [good, b"", b"[]", b'{"name": 5, "host": 5}'] if "requestBody" in operation else [b""]
        made += [(name, address, raw) for address in addresses for raw in raw_bodies]
        made.append((name, f"{addresses[0]}?{'x' * 9000}", good))
    return made


def unexpected(described: Json, name: str, response: Any) -> list[str]:
    """Return how an answer differs from the document."""
    operation = operations(described)[name]
    if str(response.status_code) not in operation["responses"]:
        return [f"{name}: status {response.status_code} is not described: {response.content[:200]!r}"]
    answer = answer_of(described, operation, response.status_code)
    if "content" not in answer:
        return [f"{name}: {response.content[:80]!r} instead of nothing"] if response.content else []
    media_type = response["Content-Type"].partition(";")[0]
    if media_type not in answer["content"]:
        return [f"{name}: {media_type} instead of {' or '.join(answer['content'])}"]
    content = answer["content"][media_type]
    value = response.json() if media_type == "application/json" else response.content.decode()
    return [f"{name} {response.status_code} {one}" for one in problems(described, content["schema"], value)]


def test_what_is_answered_is_what_the_document_says(described, described_estate, token_client):
    client = token_client("admin")
    client.raise_request_exception = False
    revoked = token_client("admin").defaults["HTTP_X_API_TOKEN"].split("_")[1]
    made = calls(described, described_estate, revoked)
    seen, wrong = set(), []

    with time_machine.travel(moment(described_estate.pve), tick=False):
        for name, address, raw in made:
            caches["limits"].clear()
            method = name.partition(" ")[0]
            response = client.generic(method, address, raw, content_type="application/json")
            seen.add((name, response.status_code))
            wrong += unexpected(described, name, response)

    assert wrong == []
    good = {name for name, status in seen if status < 300}
    # Without an id there is nothing to change or to remove.
    assert operations(described).keys() - good == {"PUT /api/config/nodes/", "DELETE /api/config/nodes/"}
    assert {status for _, status in seen} == {200, 201, 400, 404}


@pytest.mark.parametrize("who", ["nobody", "without a scope", "too often", "too much"])
def test_refusals_of_the_door_are_what_the_document_says(who, described, token_client, with_api_token, db):
    headers = {"nobody": {}, "without a scope": {}, "too often": {"HTTP_X_API_TOKEN": "wrong"}}
    client = Client(**REMOTE, **headers.get(who, {}))
    if who in ("without a scope", "too much"):
        client = token_client("alerts:write" if who == "without a scope" else "admin")
    raw = b"x" * (1 << 20) + b"x" if who == "too much" else b"{}"
    seen, wrong = set(), []

    for name in operations(described):
        method, _, path = name.partition(" ")
        for _ in range(31 if who == "too often" else 1):
            response = client.generic(method, re.sub("{.*}", "x", path), raw, content_type="application/json")
        seen.add(response.status_code)
        if (path, response.status_code) != ("/api/docs", 302):  # a page leads to the sign-in
            wrong += unexpected(described, name, response)

    assert wrong == []
    expected = {"nobody": 401, "without a scope": 403, "too often": 429, "too much": 413}[who]
    assert expected in seen


def test_the_state_is_not_sent_again_while_nothing_changes(described, described_estate, api):
    etag = api.get("/api/state")["ETag"]

    response = api.get("/api/state", HTTP_IF_NONE_MATCH=etag)

    assert response.status_code == 304
    assert unexpected(described, "GET /api/state", response) == []


# --- Who may read it --------------------------------------------------------------------------------------------------


def test_the_document_needs_a_credential(remote, token_client, with_api_token):
    assert remote.get("/api/openapi.json").status_code == 401
    assert token_client("settings:read").get("/api/openapi.json").status_code == 403

    told = token_client("monitoring:read").get("/api/openapi.json")

    assert (told.status_code, told["Content-Type"]) == (200, "application/json")
    assert told.content == document()


def test_the_page_leads_a_person_to_the_sign_in(remote, with_api_token):
    response = remote.get("/api/docs")

    assert (response.status_code, response["Location"]) == (302, "/login?next=/api/docs")


def test_a_program_without_a_credential_gets_json_from_the_page(db, with_api_token):
    response = Client(**REMOTE, HTTP_X_API_TOKEN="wrong").get("/api/docs")

    assert (response.status_code, response["Content-Type"]) == (401, "application/json")


def test_the_page_runs_scripts_of_this_pulse_only(api):
    response = api.get("/api/docs")

    page = response.content.decode()
    assert "<script>" not in page
    assert re.findall(r"<(?:script|link)[^>]* (?:src|href)=\"(?!/static/)[^\"]*", page) == []
    assert "script-src 'self';" in response["Content-Security-Policy"]
    assert "unsafe" not in response["Content-Security-Policy"]


def test_a_process_that_is_not_asked_for_the_document_does_not_load_its_writer(tmp_path):
    script = (
        "import sys, pulse.asgi, pulse.urls; "
        "print([name for name in sys.modules if name.startswith('drf_spectacular.')])"
    )

    told = subprocess.run(
        [sys.executable, "-c", script],
        env={
            "PULSE_DATA_DIR": str(tmp_path),
            "PATH": "/usr/bin:/bin",
            "DJANGO_SETTINGS_MODULE": "pulse.settings",
        },
        capture_output=True,
        text=True,
        check=True,
    )

    assert told.stdout.strip() == "[]"
