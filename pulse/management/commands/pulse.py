"""`manage.py pulse [run|web|worker|beat]`: the command `pulse` for those who are used to manage.py."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from pulse.runtime import cli


class Command(BaseCommand):
    """Runs one of the long-lived processes; `run`, everything in one, by default."""

    help = "Run Pulse: everything in one process, or one of its parts."
    requires_system_checks = ()

    def add_arguments(self, parser: CommandParser) -> None:
        """Take the verb."""
        parser.add_argument("verb", nargs="?", default="run", choices=["run", "web", "worker", "beat"])

    def handle(self, *args: Any, **options: Any) -> None:
        """Run until a signal; the process ends inside."""
        cli.start(options["verb"])
