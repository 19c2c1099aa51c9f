"""Answers that are made piece by piece: whole when they are short, lazily when they are long."""

from __future__ import annotations

import gzip

import pytest
from django.test import RequestFactory

from pulse.lib.streams import json_answer

#: A text of 64 KiB.
TEXT = "x" * 65_536


def asked(**headers):
    return RequestFactory().get("/", **headers)


def texts(count, made):
    """Texts that note when they are made."""
    for number in range(count):
        made.append(number)
        yield TEXT


def test_a_short_answer_is_sent_whole():
    response = json_answer(asked(), iter(["[1,", "2]"]))

    assert (response.streaming, response.content) == (False, b"[1,2]")
    assert (response["Content-Type"], response["Vary"]) == ("application/json", "Accept-Encoding")
    assert "Content-Encoding" not in response


def test_of_a_long_answer_only_the_first_pieces_are_made_at_once():
    made = []

    response = json_answer(asked(), texts(100, made))

    assert response.streaming
    assert len(made) == 20
    assert b"".join(response) == TEXT.encode() * 100
    assert len(made) == 100


@pytest.mark.parametrize("count", [1, 100])
def test_it_is_compressed_for_who_accepts_that(count):
    response = json_answer(asked(HTTP_ACCEPT_ENCODING="gzip"), texts(count, []))

    body = b"".join(response)
    assert response["Content-Encoding"] == "gzip"
    assert len(body) < 60_000
    assert gzip.decompress(body) == TEXT.encode() * count


def test_what_is_very_short_is_not_compressed():
    response = json_answer(asked(HTTP_ACCEPT_ENCODING="gzip"), iter(["{}"]))

    assert response.content == b"{}"
