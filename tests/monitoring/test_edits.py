"""What people change of an instance stands among what happened to it; what it was changed to does not."""

from __future__ import annotations

import pytest

from monitoring.models import HistoryEvent
from nodes import editing
from nodes.drafts import Draft
from nodes.models import Instance
from tests.conftest import NOON
from tests.factories import make_instance

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("still_noon", "host_probe")]


def told():
    return list(HistoryEvent.objects.order_by("pk").values_list("kind", "code", "text", "start_epoch"))


def test_an_edit_tells_what_was_changed_and_no_secret():
    instance = make_instance(token_value="former-secret")

    editing.change(
        instance.pk,
        Draft(kind="pve", name="other", token_id="pulse@pam!new", token_value="canary-secret"),
        at=NOON,
    )

    assert told() == [("configuration", "edited", "name, credential", NOON.timestamp())]
    (row,) = HistoryEvent.objects.all()
    assert (row.object_kind, row.object_id, row.instance_id) == ("instance", instance.pk, instance.pk)


def test_an_edit_that_changes_none_of_them_is_not_told():
    instance = make_instance()

    editing.change(instance.pk, Draft(kind="pve", name=instance.name), at=NOON)
    editing.merge(instance.pk)

    assert told() == []


def test_pauses_are_told():
    instance = make_instance()

    editing.pause(instance.pk)
    editing.pause(instance.pk)
    editing.resume(instance.pk)

    assert [(code, text) for _, code, text, _ in told()] == [("paused", ""), ("resumed", "")]


def test_what_polling_observes_is_no_edit():
    instance = make_instance()

    instance.state = "ok"
    instance.save(update_fields=["state"])
    Instance.objects.filter(pk=instance.pk).update(version=7)

    assert told() == []


def test_an_edit_that_is_refused_leaves_nothing():
    make_instance(host="https://192.0.2.77:8006")
    instance = make_instance()

    with pytest.raises(editing.NotValid):
        editing.change(
            instance.pk,
            Draft(kind="pve", host="https://192.0.2.77:8006", token_value="again"),
            at=NOON,
        )

    assert told() == []


def test_what_happened_goes_with_its_instance():
    instance = make_instance()
    editing.pause(instance.pk)

    editing.remove(instance.pk, at=NOON)

    assert told() == []
