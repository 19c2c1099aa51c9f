"""Lenient readers of single values: Proxmox sends numbers as text, booleans as 0, 1, "" or true, and leaves out what it
does not know. None means "not told"; nothing here raises.

Source: api-facts.md section 3.
"""

from __future__ import annotations

import math
import re
import unicodedata
from collections.abc import Callable, Mapping
from functools import partial
from typing import Annotated

from nodes.addresses import normalise_fingerprint

INT64_LOWEST = -(2**63)
INT64_HIGHEST = 2**63 - 1
#: Longer than any number Proxmox prints, and short enough that int() and float() stay cheap.
NUMBER_TEXT_LIMIT = 40
#: The last second of the year 9999: later instants are no dates anywhere.
EPOCH_HIGHEST = 253_402_300_799
#: Invisible characters that turn the reading direction: they make one name look like another.
DIRECTION_MARKS = frozenset("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
#: Plain decimal spellings only: int() and float() would also take "1_000", "٣" and "infinity".
NUMBER_TEXT = re.compile(r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?", re.ASCII)

TRUE_TEXTS = frozenset({"1", "true", "yes", "on"})
FALSE_TEXTS = frozenset({"", "0", "false", "no", "off"})


def real(value: object) -> float | None:
    """Return a finite number; text that spells one is accepted, NaN, infinities and booleans are not."""
    kind = type(value)
    if kind is float or kind is int:
        return _finite(value)  # type: ignore[arg-type]  # narrowed by the line above, which is faster
    if isinstance(value, str) and len(value) <= NUMBER_TEXT_LIMIT:
        spelled = value.strip()
        if NUMBER_TEXT.fullmatch(spelled):
            return _finite(float(spelled))
    return None


def _finite(number: float) -> float | None:
    try:
        as_float = float(number)
    except OverflowError:  # a whole number of more than 308 digits
        return None
    return as_float if math.isfinite(as_float) else None


def whole(value: object) -> int | None:
    """Return a whole number of 64 bits with sign; fractions are cut off, as in a CPU limit of 1.5."""
    if type(value) is int:
        return value if INT64_LOWEST <= value <= INT64_HIGHEST else None
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) <= NUMBER_TEXT_LIMIT:
        return whole(int(value))  # not by way of a float, which is exact up to 2**53 only
    number = real(value)
    return None if number is None else whole(int(number))


def size(value: object) -> int | None:
    """Return a count, a size in bytes or a span in seconds: a whole number that is not negative."""
    if type(value) is int:
        return value if 0 <= value <= INT64_HIGHEST else None
    number = whole(value)
    return None if number is None or number < 0 else number


def epoch(value: object) -> int | None:
    """Return an instant in epoch seconds. None for 0 too, which stands for "never" and "not known" everywhere."""
    number = size(value)
    return number if number and number <= EPOCH_HIGHEST else None


def ratio(value: object) -> float | None:
    """Return a share of one, which may exceed 1 but is never negative."""
    number = value if type(value) is float and 0.0 <= value <= 1.0 else real(value)
    return None if number is None or number < 0 else number


#: Any other amount that is never negative, such as a span in seconds: read alike.
amount = ratio


def truth(value: object) -> bool | None:
    """Return a truth value from any spelling of it."""
    if isinstance(value, bool):
        return value
    if isinstance(value, int):
        return {0: False, 1: True}.get(value)
    if isinstance(value, str):
        word = value.strip().lower()
        if word in TRUE_TEXTS:
            return True
        return False if word in FALSE_TEXTS else None
    return None


def is_true(value: object) -> bool:
    """Return whether a truth value is told and true."""
    return truth(value) is True


def text(value: object, limit: int = 256) -> str:
    """Return one line of clean text of at most `limit` characters; "" for what is neither text nor a number.

    Control characters and direction marks are dropped, lone surrogates become U+FFFD: what remains can be
    stored, encoded and shown.
    """
    if (
        value is None
    ):  # the usual case of an absent field, and the next line is the usual case of a present one
        return ""
    if type(value) is str and len(value) <= limit and value.isascii() and value.isprintable():
        return value.strip()
    if not isinstance(value, str):
        if isinstance(value, (int, float)) and not isinstance(value, bool) and real(value) is not None:
            return str(value)[:limit]
        return ""
    # Cleaned before it is cut, so that dropped characters do not hide the rest; four times is plenty.
    return "".join(_clean(character) for character in value[: limit * 4]).strip()[:limit].rstrip()


def text_of(limit: int) -> Callable[[object], str]:
    """Return the reader of a text of at most `limit` characters."""

    def read(value: object) -> str:
        return text(value, limit)

    return read  # a closure: half as dear as partial()


#: More of what a host says of a failure is not looked at.
SAID_LIMIT = 16_384


def said(value: object, limit: int) -> str:
    """Return what a host says of a failure as one clean line: both ends of one that is too long, for its cause stands last."""
    whole = text(value, SAID_LIMIT)
    if len(whole) <= limit:
        return whole
    head = limit // 3
    return f"{whole[:head].rstrip()} … {whole[head + 3 - limit :].lstrip()}"


def said_of(limit: int) -> Callable[[object], str]:
    """Return the reader of what a host says of a failure."""

    def read(value: object) -> str:
        return said(value, limit)

    return read


#: A status, a kind and the like.
word = text_of(32)
#: The name of a node, a storage and the like: as long as the columns that hold it, and longer than any Proxmox allows.
name = text_of(128)


def fingerprint(value: object) -> str:
    """Return the SHA-256 fingerprint of a certificate, "" for what is none."""
    try:
        return normalise_fingerprint(text(value))
    except ValueError:
        return ""


def lines(value: object, limit: int = 8192) -> str:
    """Return clean text of at most `limit` characters that keeps its line breaks, each as one "\\n".

    Blanks at the end of a line and empty lines at both ends go; what is neither text nor a number is "".
    """
    if not isinstance(value, str):
        return text(value, limit)
    bounded = value[: limit * 4].replace("\r\n", "\n").replace("\r", "\n")
    cleaned = (
        line if line.isascii() and line.isprintable() else "".join(_clean(character) for character in line)
        for line in bounded.split("\n")
    )
    return "\n".join(line.rstrip() for line in cleaned).strip("\n")[:limit].rstrip()


def _clean(character: str) -> str:
    category = unicodedata.category(character)
    if category == "Cs":
        return "\ufffd"
    if category in ("Cc", "Zl", "Zp"):
        return " " if character in "\t\n\r" else ""
    return "" if character in DIRECTION_MARKS else character


def fields(value: object) -> Mapping[str, object]:
    """Return a nested object, or one without fields when there is none."""
    return value if isinstance(value, dict) else {}


def reals(value: object, limit: int) -> tuple[float, ...]:
    """Return a list of numbers; empty when any of the first `limit` entries is not one."""
    if not isinstance(value, list):
        return ()
    numbers = [real(entry) for entry in value[:limit]]
    return () if None in numbers else tuple(number for number in numbers if number is not None)


#: The load of 1, 5 and 15 minutes.
loads = partial(reals, limit=3)

# What a field of a reading is, and how it is read: `Annotated[Size, "maxdisk"]` beside its name, with the key that leads to it.
Size = Annotated[int | None, size]
Epoch = Annotated[int | None, epoch]
Ratio = Annotated[float | None, ratio]
Amount = Annotated[float | None, amount]
Truth = Annotated[bool | None, truth]
IsTrue = Annotated[bool, is_true]
Text = Annotated[str, text]
Word = Annotated[str, word]
Name = Annotated[str, name]
Fingerprint = Annotated[str, fingerprint]
Loads = Annotated[tuple[float, ...], loads]
