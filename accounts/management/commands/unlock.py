"""`pulse unlock`: let an account be tried again after too many wrong passwords."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand

from accounts import lockout


class Command(BaseCommand):
    """Forget the failed tries of one account."""

    help = "Forget the failed sign-ins of an account, so that it can be tried again at once."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Take the name of the account."""
        parser.add_argument("username")

    def handle(self, *args: Any, **options: Any) -> None:
        """Forget and say how many there were."""
        count = lockout.unlock(options["username"])
        self.stdout.write(f"{count} failed sign-in{'' if count == 1 else 's'} forgotten")
