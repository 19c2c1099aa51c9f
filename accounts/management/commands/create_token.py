"""`pulse create-token`: make an API token and print it, once."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand
from django.utils import timezone

from accounts import tokens
from pulse.lib.auth import SCOPES, Access


class Command(BaseCommand):
    """Store a token and print its text."""

    help = "Make an API token; its text is printed once."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Name and scopes."""
        parser.add_argument("name")
        parser.add_argument(
            "--scope", action="append", choices=[str(scope) for scope in SCOPES], dest="scopes"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        """Print only the token, so that it can be piped."""
        scopes = [Access(scope) for scope in options["scopes"] or [str(Access.MONITORING_READ)]]
        _, text = tokens.issue(name=options["name"], scopes=scopes, at=timezone.now())
        self.stdout.write(text)
