"""docs/prometheus.md, the dashboard and the rules, held against what an estate of everything really tells."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
import time_machine
import yaml
from prometheus_client.parser import text_string_to_metric_families

from monitoring.choices import SpanSource, Tier
from monitoring.exporting.answers import ANSWERS
from monitoring.exporting.catalogue import SERIES
from monitoring.models import HistorySpan
from pulse.runtime import local
from pulse.runtime.threads import ThreadPool
from tests.fake_proxmox.building import PbsSpec, PmgSpec, PveSpec
from tests.fake_proxmox.fixtures import virtual_estate
from tests.monitoring.collected import MONITOR, judge, moment, turn, with_token
from tests.monitoring.conftest import Watched

DOCS = Path(__file__).resolve().parents[2] / "docs"
PAGE = DOCS / "prometheus.md"
RULES = DOCS / "prometheus-rules.yml"
DASHBOARD = DOCS / "grafana" / "pulse.json"
#: What an expression calls a series of ours, or of those that every process has.
NAME = re.compile(r"\b(?:pulse|process|pve)_[a-z0-9_]+\b")


@pytest.fixture
def estate(db, fresh_store, monkeypatch):
    """A cluster, a backup server and a mail gateway of which everything is known, and history of an hour."""
    pool = ThreadPool(1, name="test")
    monkeypatch.setattr(local, "working_pool", lambda: pool)
    cluster = PveSpec(
        name="production", nodes=3, guests=12, replication_jobs=12, disk_trouble=True, backup_troubles=True
    )
    with virtual_estate(cluster, PbsSpec(name="vault"), PmgSpec(name="mail")) as made:
        site, vault, mail = made.site("production"), made.site("vault"), made.site("mail")
        pve = Watched(site, reads_smart=True)
        with_token(pve, site, {"/": (*MONITOR, "Sys.Modify")})
        pbs = Watched(vault, "pbs", reads_smart=True)
        pmg = Watched(mail, "pmg", user=mail.user, password=mail.password)
        for watched in (pve, pbs, pmg):
            turn(watched, times=30)
        judge(pve)
        pve.poll(after=10)
        HistorySpan.objects.create(
            instance=pve.instance, tier=Tier.MINUTE, source=SpanSource.OWN, start_epoch=0, end_epoch=3600
        )
        ANSWERS.forget()
        yield pve
    ANSWERS.forget()


@pytest.fixture
def told(estate, api):
    """The labels of each family that the estate tells."""
    with time_machine.travel(moment(estate), tick=False):
        text = api.get("/metrics").content.decode()
    labels: dict[str, set[str]] = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            labels.setdefault(sample.name, set()).update(sample.labels)
    return labels


def documented():
    """The rows of the page: what each series is, and its labels, by its name."""
    rows = re.findall(r"^\| `([a-z0-9_]+)` \| (.*?) \| (.*?) \| (.*?) \|$", PAGE.read_text(), re.MULTILINE)
    return {
        name: (unit, set(re.findall(r"`([a-z_]+)`", labels)), meaning) for name, unit, labels, meaning in rows
    }


@pytest.mark.slow
def test_every_series_is_told_by_an_estate_of_everything(told):
    assert told.keys() == SERIES.keys()


@pytest.mark.slow
def test_the_page_has_the_labels_that_are_told(told):
    assert {name: labels for name, (_, labels, _) in documented().items()} == told


def test_the_page_lists_every_series_with_its_meaning():
    assert {name: meaning for name, (_, _, meaning) in documented().items()} == dict(SERIES)


UNITS = {
    "_bytes_per_second": "bytes per second",
    "_timestamp_seconds": "epoch seconds",
    "_time_seconds": "epoch seconds",
    "_seconds": "seconds",
    "_seconds_total": "seconds",
    "_bytes": "bytes",
    "_bytes_total": "bytes",
    "_ratio": "0 to 1",
    "_celsius": "°C",
    "_info": "1",
    "_up": "0 or 1",
    "_healthy": "0 or 1",
}


@pytest.mark.parametrize("name", SERIES)
def test_the_page_tells_the_unit_that_stands_in_the_name(name):
    endings = [ending for ending in UNITS if name.endswith(ending)]
    unit = documented()[name][0]

    if endings:
        assert unit == UNITS[max(endings, key=len)]
    else:
        assert unit in ("count", "1", "0 or 1", "factor")


def expressions_of_the_rules():
    groups = yaml.safe_load(RULES.read_text())["groups"]
    return [rule["expr"] for group in groups for rule in group["rules"]]


def expressions_of_the_dashboard():
    panels = json.loads(DASHBOARD.read_text())["panels"]
    variables = json.loads(DASHBOARD.read_text())["templating"]["list"]
    queries = [one["definition"] for one in variables if "definition" in one]
    return [target["expr"] for panel in panels for target in panel.get("targets", ())] + queries


@pytest.mark.parametrize("expressions", [expressions_of_the_rules, expressions_of_the_dashboard])
def test_only_series_that_exist_are_asked_for(expressions):
    asked = {name for expression in expressions() for name in NAME.findall(expression)}

    assert len(asked) > 15
    assert asked - SERIES.keys() == set()


@pytest.mark.slow
@pytest.mark.parametrize("expressions", [expressions_of_the_rules, expressions_of_the_dashboard])
def test_only_labels_that_exist_are_asked_for(expressions, told):
    """Those between braces; `job` and the `instance` of a process are added by Prometheus."""
    wrong = []
    for expression in expressions():
        for name, selectors in re.findall(r"\b((?:pulse|process)_[a-z0-9_]+)\{([^}]*)\}", expression):
            wanted = set(re.findall(r'([a-z_]+)(?:=~|!~|!=|=)"', selectors))
            wrong += [(name, label) for label in wanted - told[name]]

    assert wrong == []


def test_every_rule_says_how_bad_it_is_and_what_is_wrong():
    groups = yaml.safe_load(RULES.read_text())["groups"]
    rules = [rule for group in groups for rule in group["rules"]]

    assert len({rule["alert"] for rule in rules}) == len(rules)
    for rule in rules:
        assert rule["labels"]["severity"] in ("critical", "warning")
        assert rule["annotations"]["summary"]
