"""Static files: compressed once for who takes it, whole, and unchanged ones not sent again."""

from __future__ import annotations

import gzip

import pytest

SCRIPT = "/static/pulse/js/app.js"


def fetched(client, **headers):
    """The answer to a request for a script, with its body."""
    return client.get(SCRIPT, HTTP_HOST="localhost", **headers)


def test_a_script_is_sent_compressed_to_who_takes_it(client):
    plain = fetched(client)

    packed = fetched(client, HTTP_ACCEPT_ENCODING="gzip, br")

    assert packed["Content-Encoding"] == "gzip"
    assert gzip.decompress(packed.content) == plain.content
    assert packed["Content-Length"] == str(len(packed.content))
    assert len(packed.content) * 2 < len(plain.content)


@pytest.mark.parametrize("header", ["", "br", "gzip;q=0"])
def test_it_is_sent_plain_to_everybody_else(client, header):
    answer = fetched(client, HTTP_ACCEPT_ENCODING=header)

    assert "Content-Encoding" not in answer
    assert answer["Content-Type"].startswith("text/javascript")
    assert "Accept-Encoding" in answer["Vary"]


def test_an_unchanged_file_is_not_sent_again(client):
    known = fetched(client)["Last-Modified"]

    answer = fetched(client, HTTP_IF_MODIFIED_SINCE=known, HTTP_ACCEPT_ENCODING="gzip")

    assert (answer.status_code, answer.content) == (304, b"")


def test_a_part_of_a_file_is_that_part_of_the_plain_one(client):
    plain = fetched(client).content

    answer = fetched(client, HTTP_RANGE="bytes=0-9", HTTP_ACCEPT_ENCODING="gzip")

    assert (answer.status_code, answer.content) == (206, plain[:10])


def test_no_answer_is_a_stream(client):
    assert not fetched(client).streaming


def test_a_file_that_is_not_there_is_not_found(client):
    assert client.get("/static/pulse/js/nothing.js", HTTP_HOST="localhost").status_code == 404
