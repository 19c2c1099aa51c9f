"""What is shipped runs with few rights: container, compose stack, service units."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
UNITS = sorted((ROOT / "deploy").glob("*.service"))


def services() -> dict[str, str]:
    """Return the text of each service of docker-compose.yml by its name."""
    text = (ROOT / "docker-compose.yml").read_text()
    block = text.partition("\nservices:\n")[2].partition("\nnetworks:\n")[0]
    parts = re.split(r"^  ([a-z]+):\n", block, flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


def test_the_stack_has_the_parts_that_the_documents_name():
    assert set(services()) == {"web", "worker", "beat", "postgres", "redis", "embedded"}


def test_only_the_web_is_published():
    assert {name for name, text in services().items() if "ports:" in text} == {"web", "embedded"}


def test_redis_wants_a_password_and_every_part_gives_it():
    text = (ROOT / "docker-compose.yml").read_text()

    assert '--requirepass \\"$$REDIS_PASSWORD\\"' in services()["redis"]
    assert re.findall(r"redis://\S+", text) == ["redis://:${REDIS_PASSWORD:-}@redis:6379/0"]


def test_every_service_is_hardened():
    text = (ROOT / "docker-compose.yml").read_text()
    anchor = text.partition("x-hardened: &hardened\n")[2].partition("\n\n")[0]

    assert "read_only: true" in anchor
    assert "cap_drop: [ALL]" in anchor
    assert "no-new-privileges:true" in anchor
    assert "pids_limit: 256" in anchor
    assert [
        name for name, service in services().items() if "*hardened" not in service and "*pulse" not in service
    ] == []
    assert [name for name, service in services().items() if "mem_limit:" not in service] == []


def test_database_and_broker_have_no_way_out():
    text = (ROOT / "docker-compose.yml").read_text()

    assert "inside: {internal: true}" in text
    assert "networks: [inside]" in services()["postgres"]
    assert "networks: [inside]" in services()["redis"]
    assert "docker.sock" not in text


def test_the_stack_contains_no_secret_and_demands_a_credential():
    text = (ROOT / "docker-compose.yml").read_text()

    assert re.findall(r"(?:PASSWORD|TOKEN): (?!\$\{)\S+", text) == []
    assert "PULSE_AUTH: required" in text


def test_the_image_runs_as_somebody_without_rights():
    lines = (ROOT / "Dockerfile").read_text().splitlines()
    users = [line for line in lines if line.startswith("USER ")]

    assert users == ["USER 10765:10765"]
    assert "--require-hashes" in (ROOT / "Dockerfile").read_text()
    assert not any(line.startswith("ADD ") for line in lines)


def test_the_image_holds_every_app_and_no_test():
    copied = set(re.findall(r"^COPY (?!--from)(\S+) ", (ROOT / "Dockerfile").read_text(), flags=re.MULTILINE))
    apps = {path.parent.name for path in ROOT.glob("*/__init__.py")} - {"tests", "benchmarks"}

    assert apps <= copied
    assert "tests" not in copied


def test_the_build_context_holds_no_data_and_no_history():
    allowed = (ROOT / ".dockerignore").read_text().splitlines()

    assert allowed[0] == "*"
    assert not {"!data", "!.git", "!.env", "!."} & set(allowed)


def test_an_installed_service_has_no_history_of_the_source():
    steps = re.findall(r"^sudo cp -r .*", (ROOT / "deploy" / "README.md").read_text(), flags=re.MULTILINE)

    assert steps == ["sudo cp -r . /opt/pulse && cd /opt/pulse && sudo rm -rf .git"]


@pytest.mark.parametrize("unit", UNITS, ids=lambda path: path.name)
@pytest.mark.parametrize(
    "line",
    [
        "User=pulse",
        "NoNewPrivileges=yes",
        "ProtectSystem=strict",
        "ProtectHome=yes",
        "PrivateTmp=yes",
        "CapabilityBoundingSet=",
        "SystemCallFilter=@system-service",
        "UMask=0077",
        "StateDirectoryMode=0700",
        "RestartPreventExitStatus=78",
    ],
)
def test_a_service_unit_is_hardened(unit, line):
    assert line in unit.read_text().splitlines()


def test_there_is_a_unit_for_every_way_to_run():
    assert [unit.name for unit in UNITS] == [
        "pulse-beat.service",
        "pulse-web.service",
        "pulse-worker.service",
        "pulse.service",
    ]


def test_no_file_of_the_build_names_a_place_of_one_machine():
    texts = {path: path.read_text() for path in [ROOT / "Makefile", ROOT / ".ci/run", ROOT / "Dockerfile"]}

    assert [path.name for path, text in texts.items() if re.search(r"/(?:root|home)/", text)] == []
