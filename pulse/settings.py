"""Settings, read from the environment and safe by default; `docs/configuration.md` lists every variable."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from pulse.env import (
    EnvError,
    env_bool,
    env_choice,
    env_int,
    env_list,
    env_ports,
    env_prefix,
    env_secret,
    env_text,
)
from pulse.lib.keys import ensure_secret_key, token_digest, weakness_of

BASE_DIR = Path(__file__).resolve().parent.parent

# --- Where things are --------------------------------------------------------------------------------------

PULSE_DATA_DIR = Path(env_text("PULSE_DATA_DIR", str(BASE_DIR / "data"))).absolute()
PULSE_PORT = env_int("PORT", env_int("FRONTEND_PORT", 7655, lowest=1, highest=65535), lowest=1, highest=65535)
#: Empty means: 127.0.0.1 while nothing is configured and PULSE_AUTH is unset, else every address.
PULSE_BIND = env_text("PULSE_BIND")

#: The path under which a reverse proxy shows Pulse; empty at the root of its name.
PULSE_URL_PREFIX = env_prefix(
    "PULSE_URL_PREFIX",
    taken=frozenset(
        {
            "admin",
            "api",
            "login",
            "logout",
            "metrics",
            "password",
            "pve",
            "setup",
            "simple-stats",
            "socket.io",
            "static",
            "ws",
        }
    ),
)

# --- Who may come in (README.md decision 1 of the contract) ---------------------------------------------------

#: auto: loopback is served without a credential until something is configured; open; required.
PULSE_AUTH = env_choice("PULSE_AUTH", "auto", ("auto", "open", "required"))
#: Only the digest is kept: no page, log or exception of ours can show the token.
API_TOKEN_DIGEST = token_digest(env_secret("API_TOKEN"))
API_TOKEN_IS_SHORT = 0 < len(env_secret("API_TOKEN")) < 20
ALLOW_UNPROTECTED_EXPORT = env_text("ALLOW_UNPROTECTED_EXPORT") == "true"
REQUIRE_REGISTRATION_TOKEN = env_text("REQUIRE_REGISTRATION_TOKEN") == "true"
PULSE_ADMIN = env_bool("PULSE_ADMIN", default=True)
#: Addresses or networks of reverse proxies whose X-Forwarded-* headers are believed.
PULSE_TRUSTED_PROXIES = env_list("PULSE_TRUSTED_PROXIES")
#: Origins of other sites that may call the API from a browser; `*` is every site, without cookies.
ALLOWED_ORIGINS = env_list("ALLOWED_ORIGINS") or ["*"]

# --- How it runs -------------------------------------------------------------------------------------------------

PULSE_DATABASE_URL = env_secret("PULSE_DATABASE_URL")
#: Set: scale-out with Celery workers, beat and this Redis. Empty: one process does everything.
PULSE_REDIS_URL = env_secret("PULSE_REDIS_URL")
POLLING_INTERVAL_SECONDS = env_int("POLLING_INTERVAL", 10, lowest=3, highest=3600)
#: What the history may take on the disk; the oldest of what is finest goes first.
HISTORY_DISK_MB = env_int("HISTORY_DISK_MB", 1024, lowest=16, highest=10_000_000)
CONNECTION_TIMEOUT_SECONDS = env_int("CONNECTION_TIMEOUT", 10, lowest=1, highest=300)
UPDATE_CHANNEL = env_choice("UPDATE_CHANNEL", "stable", ("stable", "rc"))
AUTO_UPDATE_ENABLED = env_bool("AUTO_UPDATE_ENABLED")
#: Pin the certificate that a host shows first, unless it is pinned by hand or checked by the authorities.
PULSE_TLS_AUTOPIN = env_bool("PULSE_TLS_AUTOPIN", default=True)
#: Ports below 1024, beside 80 and 443, at which hosts may be called.
PULSE_HOST_PORTS = env_ports("PULSE_HOST_PORTS")
LOG_LEVEL = env_choice("LOG_LEVEL", "info", ("debug", "info", "warn", "error"))
PULSE_LOG_FORMAT = env_choice("PULSE_LOG_FORMAT", "text", ("text", "json"))
PULSE_DEVELOPMENT = env_bool("PULSE_DEVELOPMENT")

# --- Django ------------------------------------------------------------------------------------------------------

DEBUG = False
SECRET_KEY = env_secret("SECRET_KEY") or ensure_secret_key(PULSE_DATA_DIR)
if weakness_of(SECRET_KEY):
    raise EnvError(
        f"SECRET_KEY {weakness_of(SECRET_KEY)}: make one with `openssl rand -hex 32`, or leave it unset"
    )

#: Names under which Pulse is served; `pulse.lib.clients.is_served` decides.
PULSE_ALLOWED_HOSTS = env_list("PULSE_ALLOWED_HOSTS")
#: Any name may lead here; the loopback exception and every Origin check compare names themselves.
ALLOWED_HOSTS = (PULSE_ALLOWED_HOSTS if PULSE_AUTH != "open" else []) or ["*"]

INSTALLED_APPS = [
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "rest_framework",
    "drf_spectacular_sidecar",  # the scripts and styles of /api/docs
    "channels",
    "pulse",
    "accounts",
    "nodes",
    "monitoring",
]

if sys.argv[1:2] == ["runserver"]:
    # Gives runserver its WebSockets. Only there: it loads Twisted, 28 MB that the product does not need.
    INSTALLED_APPS.insert(0, "daphne")

MIDDLEWARE = [
    "pulse.lib.headers.HeadersMiddleware",
    "accounts.fresh.FreshMiddleware",
    "pulse.lib.clients.ArrivalMiddleware",
    "pulse.lib.static_files.StaticFilesMiddleware",
    "accounts.sessions.PulseSessionMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "accounts.door.DoorMiddleware",
]

#: Written by ArrivalMiddleware, which believes PULSE_TRUSTED_PROXIES and nobody else.
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")

ROOT_URLCONF = "pulse.urls"
ASGI_APPLICATION = "pulse.asgi.application"
APPEND_SLASH = False
#: What `reverse` and `{% url %}` put in front of every address.
FORCE_SCRIPT_NAME = PULSE_URL_PREFIX or None

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ],
        },
    }
]


def database(url: str) -> dict[str, Any]:
    """Return Django's database entry: SQLite in the data directory, or the PostgreSQL of the URL.

    Figures: docs/architecture.md. IMMEDIATE transactions keep two writers from losing to each other at once;
    PostgreSQL needs its pool, because each request of an ASGI server has a thread of its own.
    """
    if not url:
        return {
            "ENGINE": "pulse.lib.sqlite3",
            "NAME": PULSE_DATA_DIR / "pulse.sqlite3",
            # Threads are few and live on (pulse/runtime): a connection each costs less than one per task.
            "CONN_MAX_AGE": None,
            # Tests that run side by side would take a backend of this name for one that needs a file each.
            "TEST": {"NAME": ":memory:"},
            "OPTIONS": {
                "transaction_mode": "IMMEDIATE",
                # Others write for a tenth of a second at most; whoever holds the lock for longer is no part of Pulse.
                "timeout": 5,
                "init_command": (
                    "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL; PRAGMA cache_size=-2000;"
                    "PRAGMA temp_store=MEMORY; PRAGMA journal_size_limit=67108864;"
                    # What Debian builds it with writes zeros over all that is deleted: as much again as was written.
                    " PRAGMA secure_delete=FAST;"
                ),
            },
        }
    from urllib.parse import unquote, urlsplit

    from pulse.lib import postgres

    parts = urlsplit(url)
    if parts.scheme not in ("postgres", "postgresql") or not parts.path.strip("/"):
        raise EnvError("PULSE_DATABASE_URL must look like postgresql://user:password@host:5432/database")
    return {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": unquote(parts.path.strip("/")),
        "USER": unquote(parts.username or ""),
        "PASSWORD": unquote(parts.password or ""),
        "HOST": parts.hostname or "",
        "PORT": str(parts.port or 5432),
        "CONN_MAX_AGE": 0,
        # A connection that broke while nobody used it is replaced, not handed out.
        "CONN_HEALTH_CHECKS": True,
        "OPTIONS": postgres.connection_options(postgres.REQUESTS),
    }


DATABASES = {"default": database(PULSE_DATABASE_URL)}

#: Nothing but counts is in a cache. What Django puts into Redis would be pickled, and run by whoever reads it.
CACHES: dict[str, dict[str, Any]] = {
    "default": {"BACKEND": "django.core.cache.backends.dummy.DummyCache"},
    "limits": (
        {"BACKEND": "pulse.lib.counts.SharedCounts", "LOCATION": PULSE_REDIS_URL}
        if PULSE_REDIS_URL
        else {"BACKEND": "django.core.cache.backends.locmem.LocMemCache", "LOCATION": "limits"}
    ),
}
RATELIMIT_USE_CACHE = "limits"
#: Clients that one process counts; of more, those that were quiet longest are forgotten.
CACHES["limits"]["OPTIONS"] = {"MAX_ENTRIES": 30_000}

AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator", "OPTIONS": {"min_length": 12}},
    # What the form of the sign-in takes: a longer one would keep its owner out.
    {"NAME": "accounts.passwords.MaximumLengthValidator", "OPTIONS": {"max_length": 128}},
    {"NAME": "accounts.passwords.CommonPasswordValidator"},
    {"NAME": "pulse.passwords.ContextWordsValidator"},
]
PASSWORD_HASHERS = ["accounts.hashers.BoundedArgon2Hasher"]
LOGIN_URL = "login"
LOGIN_REDIRECT_URL = "home"

SESSION_ENGINE = "accounts.session_store"
SESSION_COOKIE_NAME = "pulse_session"
SESSION_COOKIE_PATH = CSRF_COOKIE_PATH = PULSE_URL_PREFIX or "/"
SESSION_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE = "Lax"
SESSION_COOKIE_AGE = 7 * 24 * 3600
CSRF_COOKIE_NAME = "pulse_csrf"
#: No script of ours reads it: forms carry their proof in a field, all other requests in their Origin.
CSRF_COOKIE_HTTPONLY = True
CSRF_COOKIE_SAMESITE = "Lax"
#: Sentences of the admin, for the page that comes next: not in a cookie of their own.
MESSAGE_STORAGE = "django.contrib.messages.storage.session.SessionStorage"

USE_TZ = True
TIME_ZONE = "UTC"
USE_I18N = False
LANGUAGE_CODE = "en"
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

STATIC_URL = f"{PULSE_URL_PREFIX}/static/"
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"},
}
#: Static files are served from the apps' folders: nothing to collect, nothing to forget after an update.
WHITENOISE_USE_FINDERS = True
WHITENOISE_AUTOREFRESH = False
WHITENOISE_MAX_AGE = 300

DATA_UPLOAD_MAX_MEMORY_SIZE = 1 << 20
FILE_UPLOAD_HANDLERS: list[str] = []

#: The door has decided who calls and the answer is JSON, before a view runs: REST framework decides neither again.
REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": [],
    "DEFAULT_PERMISSION_CLASSES": [],
    "DEFAULT_PARSER_CLASSES": [],  # bodies are read by pulse.lib.body, whatever their Content-Type
    "DEFAULT_RENDERER_CLASSES": ["pulse.lib.formats.JsonRenderer"],
    "DEFAULT_CONTENT_NEGOTIATION_CLASS": "pulse.lib.formats.JsonAlways",
    "DEFAULT_METADATA_CLASS": None,
    "UNAUTHENTICATED_USER": None,
    "URL_FORMAT_OVERRIDE": None,
    "EXCEPTION_HANDLER": "pulse.lib.errors.answer_to",
    "DEFAULT_SCHEMA_CLASS": "pulse.openapi.schema.OperationSchema",
}
#: Everything else about the document is in pulse.openapi.
SPECTACULAR_SETTINGS = {
    "OAS_VERSION": "3.1.0",
    "COMPONENT_SPLIT_REQUEST": True,
    "SORT_OPERATIONS": False,
    "POSTPROCESSING_HOOKS": [],
}

# --- Background work -----------------------------------------------------------------------------------------------

CELERY_BROKER_URL = PULSE_REDIS_URL or "memory://"
CELERY_TASK_IGNORE_RESULT = True
CELERY_TASK_SERIALIZER = "json"
CELERY_ACCEPT_CONTENT = CELERY_RESULT_ACCEPT_CONTENT = ["json"]
CELERY_RESULT_SERIALIZER = CELERY_EVENT_SERIALIZER = "json"
CELERY_WORKER_ENABLE_REMOTE_CONTROL = False
CELERY_WORKER_HIJACK_ROOT_LOGGER = False
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_TASK_PUBLISH_RETRY = False
CELERY_BROKER_TRANSPORT_OPTIONS = {
    "socket_timeout": 5,
    "socket_connect_timeout": 3,
    "visibility_timeout": 300,
}
CELERY_TIMEZONE = "UTC"
CELERY_BEAT_SCHEDULE = {
    "dispatch-polls": {
        "task": "monitoring.tasks.dispatch_polls",
        "schedule": 1.0,
        "options": {"expires": 1.0},
    },
    "drop-removed": {
        "task": "monitoring.tasks.drop_removed",
        "schedule": 3.0,
        "options": {"expires": 3.0},
    },
    "judge-backups": {
        "task": "monitoring.tasks.judge_backups",
        "schedule": 10.0,
        "options": {"expires": 10.0},
    },
    "seal-history": {
        "task": "monitoring.tasks.seal_history",
        "schedule": 20.0,
        "options": {"expires": 20.0},
    },
    "prune-history": {
        "task": "monitoring.tasks.prune_history",
        "schedule": 600.0,
        "options": {"expires": 600.0},
    },
    # Each forecast is renewed after six hours or a day; this is how soon those of something new are there.
    "look-ahead": {
        "task": "monitoring.tasks.look_ahead",
        "schedule": 600.0,
        "options": {"expires": 600.0},
    },
    "backfill-history": {
        "task": "monitoring.tasks.backfill_history",
        "schedule": 5.0,
        "options": {"expires": 5.0},
    },
    "remote-writes": {
        "task": "monitoring.tasks.dispatch_remote_writes",
        "schedule": 10.0,
        "options": {"expires": 10.0},
    },
    "prune-sessions": {
        "task": "accounts.tasks.prune_sessions",
        "schedule": 6 * 3600.0,
        "options": {"expires": 3600.0},
    },
}

# --- Logs ------------------------------------------------------------------------------------------------------------

LOG_LEVEL_NAME = {"debug": "DEBUG", "info": "INFO", "warn": "WARNING", "error": "ERROR"}[LOG_LEVEL]
LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {
        "text": {"()": "pulse.lib.logs.TextFormatter"},
        "json": {"()": "pulse.lib.logs.JsonFormatter"},
    },
    "filters": {
        "strangers": {"()": "pulse.lib.logs.StrangersFilter"},
        "without-unavailable": {"()": "pulse.lib.logs.WithoutUnavailable"},
    },
    "handlers": {
        "stderr": {
            "class": "logging.StreamHandler",
            "formatter": PULSE_LOG_FORMAT,
            "filters": ["strangers"],
        }
    },
    "root": {"handlers": ["stderr"], "level": LOG_LEVEL_NAME},
    "loggers": {
        # Each refused request would be a warning line: the answer already says it.
        "django.request": {"level": "ERROR", "filters": ["without-unavailable"]},
        "django.security": {"level": "ERROR"},
        # Each try of each connection; what comes of it is told by whoever wanted one.
        "psycopg.pool": {"level": "CRITICAL"},
        # Each task that comes and each that ends well would be a line, several a second.
        "celery.worker.strategy": {"level": "WARNING"},
        "celery.app.trace": {"level": "WARNING", "filters": ["without-unavailable"]},
        "urllib3": {"level": "ERROR"},
        # "Started server process", and a warning for each port scan: both are told by our own lines, or not worth one.
        "uvicorn.error": {"level": "ERROR"},
    },
}
