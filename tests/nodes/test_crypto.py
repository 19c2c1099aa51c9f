"""Secrets at rest: what is sealed for one place opens nowhere else, and a lost key is never replaced."""

from __future__ import annotations

import os
import stat

import pytest
from django.core.management import call_command
from hypothesis import given
from hypothesis import strategies as st

from nodes.models import Instance
from pulse.env import EnvError
from pulse.lib import crypto, sealed
from pulse.lib.crypto import SealBroken, seal, unseal
from pulse.lib.sealed_columns import SealedColumn
from tests.factories import make_instance

pytestmark = pytest.mark.django_db

PLACE = "instance:1:password"


@pytest.fixture(autouse=True)
def own_data_dir(settings, tmp_path):
    """Each test has its own key file."""
    settings.PULSE_DATA_DIR = tmp_path
    return tmp_path


def key_file_text(data_dir):
    return (data_dir / "encryption.key").read_text()


@pytest.mark.slow
@given(st.text(min_size=1, max_size=200).filter(lambda text: text.isprintable()))
def test_a_sealed_text_opens_again(text):
    sealed_text = seal(text, place=PLACE)

    assert unseal(sealed_text, place=PLACE) == text


def test_a_sealed_text_does_not_show_what_it_holds():
    assert "canary-secret" not in seal("canary-secret", place=PLACE)


def test_the_same_text_is_sealed_differently_each_time():
    assert seal("secret", place=PLACE) != seal("secret", place=PLACE)


def test_no_text_stays_no_text():
    assert (seal("", place=PLACE), unseal("", place=PLACE)) == ("", "")


def test_a_text_moved_to_another_place_stays_closed():
    sealed_text = seal("secret", place=PLACE)

    with pytest.raises(SealBroken):
        unseal(sealed_text, place="instance:2:password")


@pytest.mark.parametrize(
    "spoil",
    [
        pytest.param(lambda text: text[:-1] + ("A" if text[-1] != "A" else "Q"), id="last-character-changed"),
        pytest.param(lambda text: text[:-8], id="cut"),
        pytest.param(lambda text: "v1.deadbeef." + text.split(".")[2], id="unknown-key"),
        pytest.param(lambda text: "v2." + text.split(".", 1)[1], id="unknown-format"),
        pytest.param(lambda text: text.rsplit(".", 1)[0] + ".\u00e9!", id="not-base64"),
        pytest.param(lambda text: "secret", id="plain-text"),
        pytest.param(lambda text: text.rsplit(".", 1)[0] + ".", id="no-ciphertext"),
    ],
)
def test_a_damaged_text_is_told_as_broken_without_its_contents(spoil):
    sealed_text = spoil(seal("canary-secret", place=PLACE))

    with pytest.raises(SealBroken) as caught:
        unseal(sealed_text, place=PLACE)

    assert "canary" not in f"{caught.value!r}"


def test_the_key_file_is_readable_by_its_owner_only(own_data_dir):
    seal("secret", place=PLACE)

    assert stat.S_IMODE((own_data_dir / "encryption.key").stat().st_mode) == 0o600


def test_the_keys_do_not_show_in_their_representation(own_data_dir):
    keys = crypto.load_keys()

    assert key_file_text(own_data_dir).split()[1] not in repr(keys)
    assert str(keys.by_id[keys.current]) not in repr(keys)


def test_a_key_file_lost_while_running_is_not_replaced(own_data_dir):
    make_instance(password="secret")
    (own_data_dir / "encryption.key").unlink()

    with pytest.raises(SealBroken):
        seal("another", place=PLACE)

    assert not (own_data_dir / "encryption.key").exists()


def test_the_start_is_refused_when_the_key_file_is_lost(own_data_dir, capfd):
    make_instance(password="secret")
    (own_data_dir / "encryption.key").unlink()

    with pytest.raises(EnvError) as caught:
        sealed.keys_in_order()

    assert caught.value.code == 78
    assert "restore it from a backup" in capfd.readouterr().err
    assert not (own_data_dir / "encryption.key").exists()


def test_the_start_is_refused_when_the_key_file_belongs_to_another_database(own_data_dir, capfd):
    make_instance(password="secret")
    (own_data_dir / "encryption.key").write_text(f"{crypto.new_key_line()}\n")

    with pytest.raises(EnvError) as caught:
        sealed.keys_in_order()

    assert caught.value.code == 78
    assert "not the one" in capfd.readouterr().err


@pytest.mark.parametrize("contents", ["", "short abc\n", "no key here\n"])
def test_the_start_is_refused_when_the_key_file_holds_no_key(own_data_dir, contents):
    path = own_data_dir / "encryption.key"
    path.write_text(contents)
    path.chmod(0o600)

    with pytest.raises(EnvError):
        sealed.keys_in_order()


def test_the_start_is_refused_when_others_can_read_the_key_file(own_data_dir):
    seal("secret", place=PLACE)
    (own_data_dir / "encryption.key").chmod(0o644)

    with pytest.raises(EnvError):
        sealed.keys_in_order()


def test_a_first_start_makes_the_key_file(own_data_dir):
    sealed.keys_in_order()

    assert len(key_file_text(own_data_dir).split()) == 2


def test_one_secret_with_a_foreign_key_does_not_stop_the_start(own_data_dir, caplog):
    make_instance(password="secret")
    foreign = make_instance(password="other")
    Instance.objects.filter(pk=foreign.pk).update(sealed_password="v1.deadbeef.AAAA")

    sealed.keys_in_order()

    assert "not in the key file" in caplog.text


def test_a_rotation_seals_every_secret_with_a_new_key(own_data_dir):
    first = make_instance(password="one")
    second = make_instance("pbs", token_value="two")
    old_key = crypto.load_keys().current

    rotation = sealed.rotate()

    first.refresh_from_db()
    second.refresh_from_db()
    assert (rotation.resealed, rotation.broken, rotation.is_resumed) == (2, 0, False)
    assert old_key not in first.sealed_password + second.sealed_token
    assert unseal(first.sealed_password, place=first.password_place) == "one"
    assert unseal(second.sealed_token, place=second.token_place) == "two"


def test_a_rotation_that_was_cut_off_is_finished_with_the_same_key():
    first = make_instance(password="one")
    second = make_instance(password="two")
    new_key = crypto.add_key()
    Instance.objects.filter(pk=first.pk).update(sealed_password=seal("one", place=first.password_place))

    rotation = sealed.rotate()

    second.refresh_from_db()
    assert (rotation.key_id, rotation.is_resumed, rotation.resealed) == (new_key, True, 1)
    assert unseal(second.sealed_password, place=second.password_place) == "two"


def test_a_rotation_leaves_a_value_alone_that_somebody_changed_meanwhile():
    instance = make_instance(password="old")
    column = SealedColumn(Instance, "sealed_password", lambda row: row.password_place)
    read_text = instance.sealed_password
    Instance.objects.filter(pk=instance.pk).update(sealed_password=seal("new", place=instance.password_place))

    is_replaced = column.replace(instance, old=read_text, new="anything")

    instance.refresh_from_db()
    assert not is_replaced
    assert unseal(instance.sealed_password, place=instance.password_place) == "new"


def test_a_rotation_counts_what_it_cannot_open_and_leaves_it(capsys):
    broken = make_instance(password="one")
    good = make_instance(password="two")
    moved = good.sealed_password
    Instance.objects.filter(pk=broken.pk).update(sealed_password=moved)

    with pytest.raises(SystemExit) as caught:
        call_command("rotate_key")

    broken.refresh_from_db()
    assert caught.value.code == 1
    assert broken.sealed_password == moved


def test_the_command_keeps_old_keys_for_backups_of_the_database(own_data_dir, capsys):
    make_instance(password="one")

    call_command("rotate_key")

    assert len(key_file_text(own_data_dir).splitlines()) == 2
    assert "1 secret(s) sealed anew" in capsys.readouterr().out


def test_the_command_forgets_old_keys_when_told_so(own_data_dir, capsys):
    instance = make_instance(password="one")

    call_command("rotate_key", forget_old_keys=True)

    instance.refresh_from_db()
    assert len(key_file_text(own_data_dir).splitlines()) == 1
    assert unseal(instance.sealed_password, place=instance.password_place) == "one"


def test_the_new_key_file_is_never_half_written(own_data_dir, monkeypatch):
    seal("secret", place=PLACE)
    before = key_file_text(own_data_dir)

    def cut_off(descriptor):
        raise OSError("power cut")

    monkeypatch.setattr(os, "fsync", cut_off)
    with pytest.raises(OSError, match="power cut"):
        crypto.add_key()

    assert key_file_text(own_data_dir) == before
