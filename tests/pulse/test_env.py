"""Settings from the environment: typed, and loud when they cannot be used."""

from __future__ import annotations

import pytest

from pulse.env import EnvError, env_bool, env_choice, env_int, env_list, env_prefix, env_secret, env_text


def test_an_unset_or_blank_variable_is_its_default(monkeypatch):
    monkeypatch.setenv("PULSE_BLANK", "  ")

    assert env_text("PULSE_BLANK", "default") == "default"
    assert env_text("PULSE_UNSET", "default") == "default"


@pytest.mark.parametrize(
    ("text", "value"),
    [("1", True), ("TRUE", True), ("on", True), ("no", False), ("0", False), ("Off", False)],
)
def test_words_for_yes_and_no_are_read_in_any_case(monkeypatch, text, value):
    monkeypatch.setenv("PULSE_FLAG", text)

    assert env_bool("PULSE_FLAG") is value


def test_any_other_word_stops_the_start_with_the_name(monkeypatch, capfd):
    monkeypatch.setenv("PULSE_FLAG", "perhaps")

    with pytest.raises(EnvError) as refusal:
        env_bool("PULSE_FLAG")

    assert refusal.value.code == 78
    assert capfd.readouterr().err == "pulse: PULSE_FLAG must be true or false, not 'perhaps'\n"


@pytest.mark.parametrize("text", ["1", "10"])
def test_a_number_within_its_bounds_is_taken(monkeypatch, text):
    monkeypatch.setenv("PULSE_NUMBER", text)

    assert env_int("PULSE_NUMBER", 5, lowest=1, highest=10) == int(text)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("0", "must be from 1 to 10, not 0"),
        ("11", "must be from 1 to 10, not 11"),
        ("1.5", "whole number"),
        ("x", "whole"),
    ],
)
def test_a_number_outside_its_bounds_stops_the_start(monkeypatch, capfd, text, message):
    monkeypatch.setenv("PULSE_NUMBER", text)

    with pytest.raises(EnvError):
        env_int("PULSE_NUMBER", 5, lowest=1, highest=10)

    assert message in capfd.readouterr().err


def test_a_choice_is_read_in_any_case_and_refused_when_unknown(monkeypatch, capfd):
    monkeypatch.setenv("PULSE_CHOICE", "Open")
    assert env_choice("PULSE_CHOICE", "auto", ("auto", "open")) == "open"

    monkeypatch.setenv("PULSE_CHOICE", "wide")
    with pytest.raises(EnvError):
        env_choice("PULSE_CHOICE", "auto", ("auto", "open"))

    assert "must be one of auto, open, not 'wide'" in capfd.readouterr().err


def test_a_list_has_no_empty_parts(monkeypatch):
    monkeypatch.setenv("PULSE_LIST", " a, ,b,")

    assert env_list("PULSE_LIST") == ["a", "b"]


def test_a_secret_can_come_from_a_file(monkeypatch, tmp_path):
    (tmp_path / "secret").write_text("from the file\n")
    monkeypatch.setenv("PULSE_SECRET_FILE", str(tmp_path / "secret"))

    assert env_secret("PULSE_SECRET") == "from the file"


def test_the_plain_variable_wins_over_the_file(monkeypatch, tmp_path):
    monkeypatch.setenv("PULSE_SECRET", "plain")
    monkeypatch.setenv("PULSE_SECRET_FILE", str(tmp_path / "missing"))

    assert env_secret("PULSE_SECRET") == "plain"


def test_a_secret_file_that_cannot_be_read_stops_the_start_without_its_content(monkeypatch, tmp_path, capfd):
    (tmp_path / "secret").write_bytes(b"\xff\xfe hidden")
    monkeypatch.setenv("PULSE_SECRET_FILE", str(tmp_path / "secret"))

    with pytest.raises(EnvError):
        env_secret("PULSE_SECRET")

    message = capfd.readouterr().err
    assert "PULSE_SECRET_FILE names a file that cannot be read" in message
    assert "hidden" not in message


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("", ""),
        ("/", ""),
        ("/pulse", "/pulse"),
        ("pulse", "/pulse"),
        ("/lab/pulse/", "/lab/pulse"),
        ("//p", "/p"),
    ],
)
def test_a_path_is_read_with_one_slash_before_each_part(monkeypatch, text, value):
    monkeypatch.setenv("PULSE_PATH", text)

    assert env_prefix("PULSE_PATH", taken=frozenset({"api"})) == value


@pytest.mark.parametrize(
    "text", ["/api", "/API/x", "/a b", "/../x", "/a?b", "https://pulse.test", "/pülse", "/a%2f"]
)
def test_a_path_that_cannot_be_one_stops_the_start(monkeypatch, capfd, text):
    monkeypatch.setenv("PULSE_PATH", text)

    with pytest.raises(EnvError):
        env_prefix("PULSE_PATH", taken=frozenset({"api"}))

    assert "PULSE_PATH must be a path such as /pulse" in capfd.readouterr().err
