"""Django's settings, built from config/env.py. Nothing here is read from anywhere else."""

from __future__ import annotations

import os
from pathlib import Path
from urllib.parse import parse_qs, unquote, urlsplit

from django.core.exceptions import ImproperlyConfigured
from django.utils.translation import gettext_lazy as _

from careloop.config import clock as _clock
from careloop.config import env as _env
from careloop.config.secrets import secret_key

ENV = _env.load()
BASE_DIR = Path(__file__).resolve().parent.parent
IN_PRODUCTION = ENV.mode == "production"
SIMULATED_CLOCK = _clock.install(ENV.mode)  # None: time is real

ROOMS = (
    "kernel", "audit", "accounts", "batches", "patients", "tasks", "messaging", "questionnaires", "alerts", "appointments",
    "supervision", "publichealth", "rosters", "plans", "cohorts", "letters", "reports", "integration", "console", "portal", "workbench", "simulation",
)  # fmt: skip

SECRET_KEY = secret_key(ENV)
DEBUG = ENV.mode == "dev"
USE_TZ = True
TIME_ZONE = ENV.time_zone
USE_I18N = True
LANGUAGE_CODE = "zh-hans"
LANGUAGES = [("zh-hans", "中文"), ("en", "English")]
LOCALE_PATHS: list[Path] = [BASE_DIR / "config" / "locale"]
ROOT_URLCONF = "careloop.config.urls_portal" if ENV.surface == "portal" else "careloop.config.urls"
REACTIONS = "careloop.config.reactions.REACTIONS"
IN_TURN = "careloop.config.reactions.IN_TURN"
BATCH_KINDS = "careloop.config.batches.BATCH_KINDS"
TRAIL_WORDS = "careloop.config.trail.TRAIL_WORDS"
AUTH_USER_MODEL = "accounts.Practitioner"
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
ALLOWED_HOSTS = [host.strip() for host in ENV.allowed_hosts.split(",") if host.strip()]
LOGIN_URL = "/login/"
FORBID_QUERIES_IN_TEMPLATES = not IN_PRODUCTION

INSTALLED_APPS = [
    "django.contrib.contenttypes",
    "django.contrib.auth",
    "django.contrib.sessions",
    "django.contrib.postgres",
    "django.contrib.staticfiles",
    "procrastinate.contrib.django",
    *[f"careloop.{room}" for room in ROOMS],
]

_COMMON = ["django.middleware.security.SecurityMiddleware", "careloop.config.middleware.security_headers"]
_STAFF = [
    "django.contrib.sessions.middleware.SessionMiddleware",
    "careloop.accounts.middleware.viewer",
    "careloop.accounts.middleware.language",
    "django.middleware.csrf.CsrfViewMiddleware",
    "careloop.kernel.pages.refuse_undeclared_views",
]
_PORTAL = [
    "django.contrib.sessions.middleware.SessionMiddleware",
    "careloop.portal.middleware.viewer",
    "django.middleware.locale.LocaleMiddleware",
    "careloop.portal.middleware.TokenCsrf",
    "careloop.kernel.pages.refuse_undeclared_views",
]
MIDDLEWARE = _COMMON + (_PORTAL if ENV.surface == "portal" else _STAFF)

TEMPLATES = [
    {
        "BACKEND": "careloop.config.templates.Templates",
        "NAME": "jinja2",
        "DIRS": [BASE_DIR / room / "templates" for room in ROOMS],
        "APP_DIRS": False,
        "OPTIONS": {
            "environment": "careloop.config.jinja.environment",
            "context_processors": ["careloop.config.jinja.context"],
        },
    }
]


def database(url: str) -> dict[str, object]:
    """Django's form of a postgresql:// address. Anything else is refused."""
    parts = urlsplit(url)
    if parts.scheme not in {"postgresql", "postgres"}:
        raise ImproperlyConfigured("CARELOOP_DATABASE_URL must be a postgresql:// address")
    query = {key: values[-1] for key, values in parse_qs(parts.query).items()}
    prepared = query.pop("prepare", "on") != "off"  # off: behind a pooler that does not know prepared statements
    return {
        "ENGINE": "careloop.config.postgresql",
        "NAME": unquote(parts.path.lstrip("/")),
        "USER": unquote(parts.username or ""),
        "PASSWORD": unquote(parts.password or ""),
        "HOST": query.pop("host", parts.hostname or ""),
        "PORT": str(parts.port or ""),
        "CONN_MAX_AGE": None,
        "CONN_HEALTH_CHECKS": True,
        "OPTIONS": {
            "connect_timeout": 3, "keepalives_idle": 5, "keepalives_interval": 2, "keepalives_count": 3,
            "tcp_user_timeout": 5000, "server_side_binding": True, "prepare_threshold": 3 if prepared else None, **query,
        },
    }  # fmt: skip


_OWNER = os.environ.get("CARELOOP_DATABASE_ROLE") == "owner"
DATABASES = {
    "default": database((ENV.database_owner_url if _OWNER else "") or ENV.database_url or "postgresql:///careloop")
}
DATABASES["default"]["TEST"] = {"NAME": f"test_careloop{os.environ.get('CARELOOP_TEST_DB', '')}"}

PASSWORD_HASHERS = [
    "django.contrib.auth.hashers.Argon2PasswordHasher",
    "django.contrib.auth.hashers.PBKDF2PasswordHasher",
]

SESSION_ENGINE = "careloop.config.sessions"
SESSION_COOKIE_NAME = "careloop_patient" if ENV.surface == "portal" else "careloop_staff"
SESSION_COOKIE_AGE = ENV.absolute_hours * 3600
SESSION_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE = "Lax"
SESSION_COOKIE_SECURE = ENV.behind_https
CSRF_COOKIE_NAME = "careloop_csrf_portal" if ENV.surface == "portal" else "careloop_csrf"
CSRF_COOKIE_SAMESITE = "Lax"
CSRF_COOKIE_SECURE = ENV.behind_https
CSRF_FAILURE_VIEW = (
    f"careloop.{'portal.views.errors.forbidden' if ENV.surface == 'portal' else 'config.errors.csrf_failed'}"
)
SECURE_HSTS_SECONDS = 31536000 if ENV.behind_https else 0
SECURE_CONTENT_TYPE_NOSNIFF = True
SECURE_REFERRER_POLICY = "no-referrer" if ENV.surface == "portal" else "same-origin"
X_FRAME_OPTIONS = "DENY"
DATA_UPLOAD_MAX_MEMORY_SIZE = 2 * 1024 * 1024
DATA_UPLOAD_MAX_NUMBER_FIELDS = 600
SILENCED_SYSTEM_CHECKS = ["auth.W004"]

STATIC_URL = "/static/"
STATIC_ROOT = ENV.data_dir / "static"
STATICFILES_DIRS: list[Path] = []

PROCRASTINATE_AUTODISCOVER_MODULE_NAME = "jobs"

# What the frame of a staff page shows from the database: import path of a function (request) -> {place: markup}.
FRAME = "careloop.config.frame.frame"
FRAME_ASKS = "careloop.config.frame.asked"  # and what it asks: a function (viewer) -> questions
# Said by the room of patients, joined by accounts to the one statement that every request begins with.
RUNNING_GRANTS = "careloop.patients.models.RUNNING_GRANTS"
# Asked by the sender before each message leaves: import paths of functions (task_ids) -> the ids still worth sending.
SEND_GUARDS: tuple[str, ...] = ("careloop.tasks.reads.still_open",)
# Kept groups of patients, for rooms below: import paths of (viewer) -> [(id, title)] and of (id, viewer=, at=) -> patients or None.
PATIENT_GROUPS = "careloop.cohorts.reads.groups.kept_groups"
PATIENTS_OF_GROUP = "careloop.cohorts.reads.groups.patients_of_group"

LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"line": {"()": "careloop.config.logs.SafeFormatter"}},
    "handlers": {"console": {"class": "logging.StreamHandler", "formatter": "line"}},
    "root": {"handlers": ["console"], "level": ENV.log_level},
    "loggers": {
        "django.server": {"level": "WARNING"},
        "procrastinate": {"level": "WARNING"},
        "django.request": {"level": "ERROR"},
    },
}
PRODUCT_NAME = _("Patient follow-up")
