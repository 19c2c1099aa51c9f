"""Which words are too near at hand to be a password here: those of the product, of this machine and of what it watches.

Part of the composition root, because the names of instances belong to another app than accounts do.
Source: OWASP ASVS 5.0, 6.1.2 and 6.2.11. The list is in docs/security-decisions.md.
"""

from __future__ import annotations

import socket
import unicodedata
from collections.abc import Iterable
from urllib.parse import urlsplit

from django.contrib.auth.base_user import AbstractBaseUser
from django.core.exceptions import ValidationError

from nodes.models import Instance
from pulse.lib.clients import parse_address

WORDS = frozenset(
    {
        "admin",
        "backup",
        "cluster",
        "dashboard",
        "datastore",
        "debian",
        "homelab",
        "login",
        "monitor",
        "monitoring",
        "password",
        "pbs",
        "pmg",
        "proxmox",
        "pulse",
        "pve",
        "qemu",
        "root",
        "server",
        "vzdump",
    }
)
#: Shorter names stand in any text.
MIN_WORD_CHARS = 3
#: What has to stand beside such words, digits and signs included.
MIN_OTHER_CHARS = 8


class ContextWordsValidator:
    """Refuses a password that is little more than words which everybody expects here."""

    def validate(self, password: str, user: AbstractBaseUser | None = None) -> None:
        """Raise ValidationError unless enough stands beside such words."""
        words = WORDS | words_of(names_here())
        if is_little_more_than(password, words):
            raise ValidationError(
                "This password is little more than names of this product, this machine or what it watches.",
                code="password_of_context",
            )

    def get_help_text(self) -> str:
        """Return the rule in words."""
        return (
            f"Beside words such as pulse, proxmox or the name of a host it needs at least {MIN_OTHER_CHARS} more "
            "characters."
        )


def is_little_more_than(password: str, words: Iterable[str]) -> bool:
    """Return whether the password holds one of the words and, without all of them, fewer than MIN_OTHER_CHARS characters."""
    text = folded(password)
    rest = text
    for word in sorted(words, key=len, reverse=True):
        rest = rest.replace(word, "")
    return rest != text and len(rest) < MIN_OTHER_CHARS


def words_of(names: Iterable[str]) -> set[str]:
    """Return the names that are long enough, whole and, of those with a domain behind them, the first part."""
    found = set()
    for name in map(folded, names):
        found |= {name} if parse_address(name) else {name, name.partition(".")[0]}
    return {word for word in found if len(word) >= MIN_WORD_CHARS}


def names_here() -> list[str]:
    """Return how this machine, the instances, their hosts and clusters are called."""
    names = [socket.gethostname()]
    for name, host, cluster in Instance.objects.values_list("name", "host", "cluster_name"):
        names += [name, urlsplit(host).hostname or "", cluster]
    return names


def folded(text: str) -> str:
    """Return the text in the form in which it is compared."""
    return unicodedata.normalize("NFKC", text).casefold()
