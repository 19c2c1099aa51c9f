"""`pulse claim-code`: print the one-time code that claims a fresh installation."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError

from accounts import claim


class Command(BaseCommand):
    """Print the code, and nothing else, so that it can be piped."""

    help = "Print the one-time code with which /setup makes the first account."

    def handle(self, *args: Any, **options: Any) -> None:
        """Make the code if need be and print it."""
        if not claim.ensure_code():
            raise CommandError("this installation has been claimed; sign in at /login")
        self.stdout.write(claim.read_code() or "")
