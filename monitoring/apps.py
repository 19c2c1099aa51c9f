from typing import cast

from django.apps import AppConfig


class MonitoringConfig(AppConfig):
    name = "monitoring"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from monitoring import receivers  # noqa: F401  connects what follows from a removed instance
        from monitoring.models import RemoteWriteTarget
        from monitoring.store.current import store
        from pulse.lib import feed
        from pulse.lib.sealed_columns import SealedColumn, register

        feed.install(lambda message: store().broadcast(message))
        register(
            SealedColumn(
                RemoteWriteTarget,
                "sealed_password",
                lambda row: cast("RemoteWriteTarget", row).password_place,
            ),
            SealedColumn(
                RemoteWriteTarget, "sealed_token", lambda row: cast("RemoteWriteTarget", row).token_place
            ),
        )
