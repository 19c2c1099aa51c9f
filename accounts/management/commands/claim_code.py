"""`pulse claim-code`: print the one-time code that claims a fresh installation."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError

from accounts import claim


class Command(BaseCommand):
    """Print the code, or say that there is nothing to claim."""

    help = "Print the one-time code that claims this installation at /setup."

    def handle(self, *args: Any, **options: Any) -> None:
        """Print only the code, so that it can be piped."""
        code = claim.ensure_code()
        if code is None:
            raise CommandError("this installation has been claimed already; sign in, or use an API token")
        self.stdout.write(code)
