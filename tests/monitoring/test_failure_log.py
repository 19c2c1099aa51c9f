"""What the log says of a host that fails: the cause once, and that it is over."""

from __future__ import annotations

import logging

import pytest

pytestmark = [pytest.mark.slow, pytest.mark.django_db]


@pytest.mark.parametrize(
    ("fault", "cause"),
    [
        ("certificate", "shows another certificate than the confirmed one"),
        ("down", "refused the connection"),
        ("401", "refused the login"),
    ],
)
def test_a_failure_is_logged_once_with_its_cause_and_when_it_is_over(fault, cause, fake_pve, watch, caplog):
    watched = watch(fake_pve, fingerprint=fake_pve.fingerprint)
    watched.poll()
    with caplog.at_level(logging.INFO, "monitoring.polling.outcomes"):
        fake_pve.faults.add(fault)
        for _ in range(3):
            watched.poll(after=10, reconnects=True)
        failures = [record for record in caplog.records if record.levelno == logging.WARNING]
        fake_pve.faults.clear()
        watched.poll(after=600, reconnects=True)

    assert len(failures) == 1
    assert failures[0].getMessage().startswith("lab: ")
    assert cause in failures[0].getMessage()
    assert [one for one in caplog.messages if "nothing was seen" not in one][-1] == "lab: answers"
    assert fake_pve.token_value not in caplog.text
