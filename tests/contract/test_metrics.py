"""clients.md 3, `/metrics`: every series, what is left out because it is not known, and who may read it. See docs/prometheus.md."""

from __future__ import annotations

import gzip
from datetime import timedelta

import pytest
import time_machine
from prometheus_client.openmetrics.parser import text_string_to_metric_families as open_metrics_families
from prometheus_client.parser import text_string_to_metric_families as text_families

from monitoring.exporting.answers import ANSWERS
from tests.contract.test_door import assert_error
from tests.factories import make_instance
from tests.fake_proxmox.building import PveSpec
from tests.fake_proxmox.fixtures import virtual_estate
from tests.monitoring.collected import moment, turn, with_token
from tests.monitoring.conftest import Watched

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("fresh_store")]

ROUTE = "/metrics"
OPEN_METRICS = "application/openmetrics-text;version=1.0.0,text/plain;q=0.5"


@pytest.fixture(autouse=True)
def made_anew():
    """No answer of another test is given again."""
    ANSWERS.forget()
    yield
    ANSWERS.forget()


@pytest.fixture
def lab(fake_pve):
    """A host `lab` with guests 100 to 113, polled twice; 103 is stopped."""
    watched = Watched(fake_pve)
    watched.poll(after=10)
    watched.poll(after=10)
    return watched


@pytest.fixture
def scrape(api):
    """What is told at the moment of the last poll: values by name and labels, as Prometheus reads them."""

    def get(watched, *, after=0):
        with time_machine.travel(moment(watched) + timedelta(seconds=after), tick=False):
            response = api.get(ROUTE)
        assert response.status_code == 200, response.content
        return read(response.content.decode())

    return get


def read(text):
    """The samples of a text by name and labels; no series is there twice."""
    samples = [sample for family in text_families(text) for sample in family.samples]
    found = {(sample.name, *sorted(sample.labels.items())): sample.value for sample in samples}
    assert len(found) == len(samples)
    return found


def guest(name, vmid, kind="qemu", **labels):
    """The key of a series of a guest."""
    all_of_them = {"instance": "pve-0", "kind": kind, "vmid": str(vmid)} | labels
    return (name, *sorted(all_of_them.items()))


def names(told):
    return {key[0] for key in told}


def of_guest(told, vmid):
    return {key[0] for key in told if ("vmid", str(vmid)) in key}


# --- What is told -----------------------------------------------------------------------------------------------------


def test_a_guest_is_told_in_base_units(lab, scrape):
    lab.server.site.set_metric(100, cpu=0.5, mem=2**30, maxmem=2**31)
    lab.poll(after=10)

    told = scrape(lab)

    kind = "qemu" if guest("pulse_guest_up", 100) in told else "lxc"
    assert told[guest("pulse_guest_up", 100, kind)] == 1
    assert told[guest("pulse_guest_cpu_ratio", 100, kind)] == 0.5
    assert told[guest("pulse_guest_memory_used_bytes", 100, kind)] == 1073741824
    assert told[guest("pulse_guest_memory_total_bytes", 100, kind)] == 2147483648


def test_a_guest_that_does_not_run_uses_nothing(lab, scrape):
    told = scrape(lab)

    row = lab.guests()[103]
    assert row["status"] == "stopped"
    assert told[guest("pulse_guest_up", 103, row["type"])] == 0
    assert told[guest("pulse_guest_cpu_ratio", 103, row["type"])] == 0


def test_what_is_not_known_has_no_series(lab, scrape):
    told = scrape(lab)

    machine = next(one for one in lab.guests().values() if one["diskReason"] == "not_read_yet")
    assert "pulse_guest_disk_used_bytes" not in of_guest(told, machine["vmid"])
    assert "pulse_guest_up" in of_guest(told, machine["vmid"])
    assert "pulse_guest_backup_state" not in names(told)
    assert "pulse_node_pending_updates" not in names(told)


def test_counters_are_told_beside_the_rates(lab, scrape):
    lab.server.site.set_rate(100, netin=1000)
    lab.poll(after=10)
    before = scrape(lab)
    lab.poll(after=10)

    told = scrape(lab)

    kind = lab.guests()[100]["type"]
    name = guest("pulse_guest_network_in_bytes_total", 100, kind)
    assert told[name] - before[name] == 10_000
    assert told[guest("pulse_guest_network_in_bytes_per_second", 100, kind)] == 1000


def test_a_guest_that_is_renamed_and_moved_keeps_its_series(fake_cluster, scrape):
    watched = Watched(fake_cluster)
    watched.poll(after=10)
    home = watched.guests()[100]["node"]
    away = next(name for name in ("pve-01", "pve-02", "pve-03") if name != home)
    before = scrape(watched)
    fake_cluster.migrate_guest(100, away)
    fake_cluster.rename_guest(100, "moved")
    watched.poll(after=10)

    after = scrape(watched)

    words = ("pulse_guest_info", "pulse_guest_memory_source")
    figures = {key for key in before if ("vmid", "100") in key and key[0] not in words}
    assert figures <= after.keys()
    info = next(dict(key[1:]) for key in after if key[0] == "pulse_guest_info" and ("vmid", "100") in key)
    assert (info["name"], info["node"]) == ("moved", away)


def test_an_instance_that_is_renamed_keeps_its_series(lab, scrape):
    before = scrape(lab)
    lab.instance.name = "basement"
    lab.instance.save()
    lab.poll(after=10)

    after = scrape(lab)

    assert guest("pulse_guest_up", 100, lab.guests()[100]["type"]) in before.keys() & after.keys()
    assert ("pulse_instance_info", ("instance", "pve-0"), ("kind", "pve"), ("name", "basement")) in after


def test_concerns_are_counted_by_level_and_kind(lab, scrape):
    of = ("instance", "pve-0")
    assert scrape(lab)["pulse_concerns", of, ("level", "warning")] == 0

    with_token(lab, lab.server.site)
    lab.server.site.set_pool_health("pve", "rpool", "DEGRADED")
    turn(lab, times=6)
    lab.poll(after=10)

    told = scrape(lab)
    assert told["pulse_concerns", of, ("level", "warning")] == 1
    assert told["pulse_concerns", of, ("level", "critical")] == 0
    assert told["pulse_concerns_by_code", ("code", "zfs_degraded"), of, ("level", "warning")] == 1
    assert told["pulse_pool_healthy", of, ("node", "pve"), ("pool", "rpool")] == 0


def test_the_lanes_tell_how_far_they_have_come(lab, scrape):
    lab.server.faults.add("500", path="/nodes/pve/subscription")
    with_token(lab, lab.server.site)
    turn(lab, times=6)

    told = scrape(lab)

    of = ("instance", "pve-0")
    assert told["pulse_collector_failing_subjects", of, ("lane", "subscription")] == 1
    assert ("pulse_collector_last_success_timestamp_seconds", of, ("lane", "subscription")) not in told
    assert told["pulse_collector_failing_subjects", of, ("lane", "tasks")] == 0
    assert told["pulse_collector_last_success_timestamp_seconds", of, ("lane", "tasks")] > 1767268800
    assert told["pulse_instance_polls_total", of] == 8


# --- What is not known any more ---------------------------------------------------------------------------------------


def test_an_instance_that_does_not_answer_is_down_and_its_figures_are_gone(lab, scrape):
    lab.server.stop()
    lab.poll(after=10)

    told = scrape(lab)

    of = ("instance", "pve-0")
    assert told["pulse_instance_up", of] == 0
    assert told["pulse_instance_failed_polls", of] == 1
    assert of_guest(told, 100) == {"pulse_guest_info"}
    assert ("pulse_node_up", of, ("node", "pve")) not in told
    assert not [name for name in names(told) if name.startswith("pulse_storage_disk")]

    lab.poll(after=40)
    assert scrape(lab)["pulse_node_up", of, ("node", "pve")] == 0


def test_figures_that_nobody_renews_are_gone(lab, scrape):
    """Whatever keeps Pulse from polling."""
    of = ("instance", "pve-0")
    assert scrape(lab, after=35)["pulse_instance_up", of] == 1
    ANSWERS.forget()

    told = scrape(lab, after=36)

    assert ("pulse_instance_up", of) not in told
    assert of_guest(told, 100) == {"pulse_guest_info"}


@pytest.mark.parametrize("hours", [1, 24])
def test_figures_of_another_clock_are_gone(hours, lab, scrape):
    assert of_guest(scrape(lab, after=-3600 * hours), 100) == {"pulse_guest_info"}
    ANSWERS.forget()
    assert of_guest(scrape(lab, after=3600 * hours), 100) == {"pulse_guest_info"}


def test_an_instance_that_is_paused_tells_nothing_but_that(lab, scrape, api):
    with time_machine.travel(moment(lab), tick=False):
        lab.instance.is_paused = True
        lab.instance.save()
        lab.poll(after=10)
    ANSWERS.forget()

    told = scrape(lab)

    assert told["pulse_instance_paused", ("instance", "pve-0")] == 1
    assert ("pulse_instance_up", ("instance", "pve-0")) not in told


def test_an_installation_without_hosts_tells_of_itself(api):
    told = read(api.get(ROUTE).content.decode())

    assert told["pulse_database_writable",] == 1
    assert told["process_resident_memory_bytes",] > 10_000_000
    assert not [name for name in names(told) if name.startswith("pulse_instance")]


def test_instances_of_the_same_name_are_told_apart(api):
    make_instance("pve", name="home")
    make_instance("pbs", name="home")

    told = read(api.get(ROUTE).content.decode())

    assert told["pulse_instance_paused", ("instance", "pve-0")] == 0
    assert told["pulse_instance_paused", ("instance", "pbs-0")] == 0


# --- How it is told ---------------------------------------------------------------------------------------------------


def test_the_text_is_what_every_prometheus_reads(lab, api):
    response = api.get(ROUTE)

    assert response.headers["Content-Type"] == "text/plain; version=0.0.4; charset=utf-8"
    assert response.headers["Cache-Control"] == "no-store"
    text = response.content.decode()
    assert "# HELP pulse_guest_info What a guest is called, and where it is.\n" in text
    assert "# TYPE pulse_instance_polls_total counter\n" in text
    assert text.endswith("\n")


def test_open_metrics_tells_the_same_and_its_end(lab, api):
    with time_machine.travel(moment(lab), tick=False):
        plain = api.get(ROUTE).content.decode()
        response = api.get(ROUTE, HTTP_ACCEPT=OPEN_METRICS)

    text = response.content.decode()
    samples = [sample for family in open_metrics_families(text) for sample in family.samples]
    told = {(sample.name, *sorted(sample.labels.items())): sample.value for sample in samples}
    apart = {name for name in told.items() ^ read(plain).items() if not name[0][0].startswith("process_")}
    assert response.headers["Content-Type"] == "application/openmetrics-text; version=1.0.0; charset=utf-8"
    assert text.endswith("\n# EOF\n")
    assert "# TYPE pulse_instance_polls counter\n" in text
    assert apart == set()


@pytest.mark.parametrize(
    ("accept", "expected"),
    [
        ("", "text/plain"),
        ("*/*", "text/plain"),
        ("text/html,*/*;q=0.1", "text/plain"),
        ("application/openmetrics-text", "application/openmetrics-text"),
        ("application/openmetrics-text;version=1.0.0;q=0.6,text/plain;q=0.3,*/*;q=0.2", "application/openmetrics-text"),
        ("application/openmetrics-text;q=0.2,text/plain;version=0.0.4;q=0.5", "text/plain"),
        ("application/openmetrics-text;q=0.2,*/*", "text/plain"),
        ("application/openmetrics-text;q=0", "text/plain"),
        ("application/openmetrics-text;q=much", "text/plain"),
        (";;,,;q", "text/plain"),
    ],
)  # fmt: skip
def test_the_format_is_the_one_that_is_wanted(accept, expected, api):
    response = api.get(ROUTE, HTTP_ACCEPT=accept)

    assert response.headers["Content-Type"].startswith(expected)


def test_the_answer_is_compressed_for_who_takes_that(lab, api):
    with time_machine.travel(moment(lab), tick=False):
        plain = api.get(ROUTE)
        packed = api.get(ROUTE, HTTP_ACCEPT_ENCODING="gzip")

    assert packed.headers["Content-Encoding"] == "gzip"
    assert gzip.decompress(packed.content) == plain.content
    assert {"Accept", "Accept-Encoding"} <= set(plain.headers["Vary"].split(", "))


def test_the_text_is_made_once_until_something_changes(lab, api):
    with time_machine.travel(moment(lab), tick=False):
        first = api.get(ROUTE).content
        again = api.get(ROUTE).content
    lab.poll(after=10)
    with time_machine.travel(moment(lab), tick=False):
        anew = api.get(ROUTE).content

    assert first == again
    assert b'pulse_instance_polls_total{instance="pve-0"} 2\n' in first
    assert b'pulse_instance_polls_total{instance="pve-0"} 3\n' in anew


def test_names_that_attack_the_reader_stay_within_their_labels(api):
    with virtual_estate(PveSpec(name="evil", nodes=3, guests=20, hostile=True)) as estate:
        watched = with_token(Watched(estate.site("evil")), estate.site("evil"))
        turn(watched, times=8)
        with time_machine.travel(moment(watched), tick=False):
            plain = api.get(ROUTE).content.decode()
            packed = api.get(ROUTE, HTTP_ACCEPT=OPEN_METRICS).content.decode()

    told = read(plain)
    assert len([key for key in told if key[0] == "pulse_guest_info"]) > 15
    assert {name for name in names(told) if not name.startswith(("pulse_", "process_"))} == set()
    assert len(list(open_metrics_families(packed))) > 50


# --- Who is answered --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("scope", ["metrics:read", "monitoring:read"])
def test_a_token_with_the_scope_is_served(scope, token_client):
    assert token_client(scope).get(ROUTE).status_code == 200


def test_nobody_else_is_served(remote, token_client):
    assert_error(token_client("settings:read", "settings:write").get(ROUTE), 403, "forbidden")
    assert_error(remote.get(ROUTE), 401, "unauthorized")
    assert_error(remote.get(ROUTE, HTTP_ACCEPT="text/html"), 401, "unauthorized")


@pytest.mark.parametrize("method", ["post", "put", "delete"])
def test_another_method_is_refused(method, api):
    assert_error(getattr(api, method)(ROUTE), 405, "method_not_allowed")


def test_no_secret_is_told(lab, api):
    text = api.get(ROUTE).content.decode()

    assert lab.server.token_value not in text
    assert lab.instance.host not in text
