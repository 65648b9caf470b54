"""Django's settings, from the environment.

========================  ==================================================================
``RILAAS_HOME``           folder of all local state; the hub's is ``hub`` in it
``RILAAS_DATABASE_URL``   ``postgresql://user:password@host:port/name``; SQLite where not set
``RILAAS_REDIS_URL``      a Redis that interceptors read the access policy from
``RILAAS_PROMETHEUS_URL`` a Prometheus that the metrics are read from
``RILAAS_HUB_HOSTS``      further names and addresses under which people reach the hub, with commas
``RILAAS_HUB_TLS``        1 where it is reached by https
========================  ==================================================================
"""

from __future__ import annotations

import os
from pathlib import Path

from rilaas.hub.database import database, read_secret

HOME = Path(os.environ.get("RILAAS_HOME") or Path.home() / ".rilaas") / "hub"
REDIS_URL = os.environ.get("RILAAS_REDIS_URL", "")
PROMETHEUS_URL = os.environ.get("RILAAS_PROMETHEUS_URL", "")

DEBUG = False
SECRET_KEY = read_secret(HOME)
ALLOWED_HOSTS = [
    "localhost",
    "127.0.0.1",
    "[::1]",
    *(host for host in os.environ.get("RILAAS_HUB_HOSTS", "").split(",") if host),
]
INSTALLED_APPS = [
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "rilaas.hub",
]
MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "rilaas.hub.middleware.security_headers",
    "rilaas.hub.metrics.own.count_requests",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
]
ROOT_URLCONF = "rilaas.hub.urls"
ASGI_APPLICATION = "rilaas.hub.asgi.application"
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.messages.context_processors.messages",
            ],
            "builtins": ["rilaas.hub.templatetags.show"],
        },
    }
]
DATABASES = {"default": database(HOME, os.environ.get("RILAAS_DATABASE_URL", ""))}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
AUTH_USER_MODEL = "hub.Person"
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator"},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
]
LOGIN_URL = "/sign-in"
SESSION_ENGINE = "django.contrib.sessions.backends.db"
SESSION_COOKIE_HTTPONLY = True
SESSION_COOKIE_AGE = 14 * 24 * 3600
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = os.environ.get("RILAAS_HUB_TLS") == "1"
SESSION_COOKIE_NAME, CSRF_COOKIE_NAME = "rilaas_session", "rilaas_csrf"
MESSAGE_STORAGE = "django.contrib.messages.storage.cookie.CookieStorage"
X_FRAME_OPTIONS = "DENY"
USE_TZ = True
TIME_ZONE = "UTC"
USE_I18N = False
# Bodies and files of forms lie on the hub's own disk while they are read: /tmp may be memory, and nobody cleans it.
FILE_UPLOAD_TEMP_DIR = str(HOME / "scratch") if (HOME / "scratch").is_dir() else None
FILE_UPLOAD_HANDLERS = ["django.core.files.uploadhandler.TemporaryFileUploadHandler"]
DATA_UPLOAD_MAX_NUMBER_FILES = 1100
SILENCED_SYSTEM_CHECKS = ["security.W004", "security.W008"]  # TLS is ended by uvicorn or by a proxy in front
LOGGING_CONFIG = None  # the process that runs the hub sets logs up, as for every verb
