"""The app of the configured instances and what is read from them."""

from __future__ import annotations

from typing import cast

from django.apps import AppConfig


class NodesConfig(AppConfig):
    """Registers which columns hold sealed credentials."""

    name = "nodes"
    verbose_name = "Instances"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        """Make the sealed columns known to the key check and to key rotation."""
        from nodes.models import Instance
        from pulse.lib.sealed_columns import SealedColumn, register

        register(
            SealedColumn(Instance, "sealed_password", lambda row: cast("Instance", row).password_place),
            SealedColumn(Instance, "sealed_token", lambda row: cast("Instance", row).token_place),
        )
