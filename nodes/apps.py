"""The app of the configured instances and what is read from them."""

from __future__ import annotations

from typing import cast

from django.apps import AppConfig
from django.db import models


class NodesConfig(AppConfig):
    """Registers which columns hold sealed credentials."""

    name = "nodes"
    verbose_name = "Instances"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        """Make the sealed columns known to the key check and to key rotation."""
        from nodes.models import Instance
        from pulse.lib import sealed

        def password_place(row: models.Model) -> str:
            return cast(Instance, row).password_place

        def token_place(row: models.Model) -> str:
            return cast(Instance, row).token_place

        sealed.register(
            sealed.SealedColumn(Instance, "sealed_password", password_place),
            sealed.SealedColumn(Instance, "sealed_token", token_place),
        )
