from django.apps import AppConfig


class PulseConfig(AppConfig):
    name = "pulse"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from pulse import checks  # noqa: F401  registers the system checks
