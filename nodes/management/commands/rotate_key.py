"""`pulse rotate-key`: seal every stored secret with a new key."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from pulse.lib import crypto, sealed


class Command(BaseCommand):
    """Rotate the key of the stored secrets."""

    help = (
        "Make a new encryption key and seal every stored credential with it. Pulse may keep running. "
        "After an interruption run it again: it finishes what was begun."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        """Declare the options."""
        parser.add_argument(
            "--forget-old-keys",
            action="store_true",
            help="remove the old keys from the key file; older backups of the database then lose their credentials",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        """Rotate, say what was done, and leave with 1 when a secret could not be opened."""
        sealed.keys_in_order()
        rotation = sealed.rotate()
        begun = "Finished the rotation to" if rotation.is_resumed else "Rotated to"
        self.stdout.write(f"{begun} key {rotation.key_id}: {rotation.resealed} secret(s) sealed anew.")
        if rotation.broken:
            self.stderr.write(
                f"{rotation.broken} secret(s) cannot be opened and were left as they are; enter them again."
            )
            raise SystemExit(1)
        if options["forget_old_keys"]:
            crypto.forget_old_keys()
            self.stdout.write("The old keys are removed from the key file.")
