from django.apps import AppConfig


class MonitoringConfig(AppConfig):
    name = "monitoring"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from monitoring import receivers  # noqa: F401  connects what follows from a removed instance
        from monitoring.store.current import store
        from pulse.lib import feed

        feed.install(lambda message: store().broadcast(message))
