"""`pulse create-token`: make an API token and print it, once."""

from __future__ import annotations

from argparse import ArgumentParser
from datetime import timedelta
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from accounts import tokens
from accounts.tokens import MAX_EXPIRY_DAYS
from pulse.lib.auth import SCOPES, Access
from pulse.lib.causes import caused


class Command(BaseCommand):
    """Print the token, and nothing else, so that it can be piped."""

    help = "Make an API token; its text is printed once and cannot be read again."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Take the name, scopes and the time to live."""
        parser.add_argument("name", help="who or what will use it")
        parser.add_argument(
            "--scope",
            action="append",
            choices=[str(scope) for scope in SCOPES],
            help="may be given several times; default monitoring:read",
        )
        parser.add_argument("--expires-in-days", type=int, help="default: never")

    def handle(self, *args: Any, **options: Any) -> None:
        """Store the token and print its text."""
        if not tokens.is_token_name(options["name"]):
            raise CommandError(
                f"the name must have 1 to {tokens.NAME_LIMIT} characters, all of them printable"
            )
        days = options["expires_in_days"]
        if days is not None and not 1 <= days <= MAX_EXPIRY_DAYS:
            raise CommandError(f"--expires-in-days must be from 1 to {MAX_EXPIRY_DAYS}")
        at = timezone.now()
        with caused(by="the command line"):
            _, text = tokens.issue(
                name=options["name"],
                scopes=[Access(scope) for scope in options["scope"] or [Access.MONITORING_READ]],
                at=at,
                expires_at=None if days is None else at + timedelta(days=days),
            )
        self.stdout.write(text)
