"""What ``rilaas doctor`` looks at: each check says what it found, and what to do where something is wrong."""

from __future__ import annotations

import os
import socket
import ssl
import stat
import sys
import time
from collections.abc import Iterator, Mapping
from datetime import datetime, timezone
from importlib import metadata
from pathlib import Path

import rilaas
from rilaas.cli.backend_checkup import check_backends
from rilaas.cli.check import Check
from rilaas.cli.config import Settings
from rilaas.cli.hub_checkup import check_hub
from rilaas.client.dial import split_address
from rilaas.client.robot_client import address_of
from rilaas.core import RilaasError
from rilaas.route.config import DEFAULT_PORT
from rilaas.serve.isolation import describe, reachable
from rilaas.wire import fingerprint, load_private_key

OLDEST_PYTHON = (3, 10)
SERVE_PORT, HUB_PORT = 8001, 8080
# The packages that make an extra; the same as in pyproject.toml.
EXTRAS: Mapping[str, tuple[str, ...]] = {
    "ssh": ("bcrypt",),
    "serve": ("onnxruntime",),
    "evaluate": ("opencv-python-headless", "gymnasium", "PyYAML"),
    "learn": ("torch", "onnx", "onnxscript", "numba"),
    "optimize": ("torch", "onnx", "onnxscript", "safetensors", "torch-pruning", "torchao"),
    "nncf": ("nncf",),
    "tensorflow": ("onnx", "tensorflow", "tf_keras", "tensorflow-model-optimization"),
    "recording": ("mcap", "rerun-sdk"),
    "redis": ("redis",),
    "hub": (
        "Django",
        "django-ninja",
        "uvicorn",
        "httptools",
        "psycopg",
        "pillow",
        "markdown-it-py",
        "mcap",
        "rosbags",
    ),
}
_BASE = ("numpy", "grpcio", "protobuf", "cryptography", "PyJWT", "click")
_TOO_OPEN = stat.S_IRWXG | stat.S_IRWXO
_CONNECT_S = 3.0
_DAY_S = 86_400.0
_SOON_DAYS = 30


def check_all(settings: Settings) -> Iterator[Check]:
    """All checks for these settings, quick ones first."""
    yield _python()
    yield _base()
    yield from (_extra(name, packages) for name, packages in EXTRAS.items())
    yield from check_backends()
    yield _isolation()
    yield _home(settings.home)
    yield _clock()
    yield _key(settings)
    yield _authority(settings)
    yield from (
        _port(port, verb) for port, verb in ((DEFAULT_PORT, "route"), (SERVE_PORT, "serve"), (HUB_PORT, "hub"))
    )
    if settings.target:
        yield _target(settings)
    yield from check_hub(settings)


def _python() -> Check:
    found = sys.version.split()[0]
    oldest = ".".join(map(str, OLDEST_PYTHON))
    if sys.version_info < OLDEST_PYTHON:
        return Check("python", "broken", found, f"rilaas needs Python {oldest} or newer.")
    return Check("python", "ok", found)


def _base() -> Check:
    versions, missing = _versions(_BASE)
    if missing:
        return Check("packages", "broken", f"missing: {', '.join(missing)}", "Install them: pip install rilaas")
    return Check("packages", "ok", ", ".join(versions))


def _extra(name: str, packages: tuple[str, ...]) -> Check:
    versions, missing = _versions(packages)
    if missing:
        hint = f"Where it is needed: pip install 'rilaas[{name}]'"
        return Check(f"extra {name}", "absent", f"missing: {', '.join(missing)}", hint)
    return Check(f"extra {name}", "ok", ", ".join(versions))


def _versions(packages: tuple[str, ...]) -> tuple[list[str], list[str]]:
    """``name version`` of those that are installed, and the names of those that are not."""
    versions = {package: _version(package) for package in packages}
    return [f"{p} {v}" for p, v in versions.items() if v], [p for p, v in versions.items() if not v]


def _version(package: str) -> str:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return ""


def _isolation() -> Check:
    try:
        kind, words = reachable("auto"), describe("auto")
    except RilaasError as error:
        return Check("isolation", "broken", error.message, error.hint)
    if kind != "bwrap":
        hint = "Hide files from models too: apt-get install bubblewrap (needs user namespaces)."
        return Check("isolation", "absent", words, hint)
    return Check("isolation", "ok", words)


def _home(home: Path) -> Check:
    at = next(folder for folder in (home, *home.parents) if folder.exists())
    if not at.is_dir() or not os.access(at, os.W_OK | os.X_OK):
        return Check("home", "broken", f"{at} cannot be written", "Set RILAAS_HOME to a folder of yours.")
    return Check("home", "ok", str(home) if at == home else f"{home}, made on first use")


def _clock() -> Check:
    """A robot without a battery for its clock wakes up in 1970, and its tokens are refused."""
    now = time.time()
    installed = max(path.stat().st_mtime for path in Path(rilaas.__file__).parent.glob("*.py"))
    found = datetime.fromtimestamp(now, timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
    if now < installed - _DAY_S:
        return Check("clock", "broken", f"{found}, before rilaas was installed", "Set the clock, for example by NTP.")
    return Check("clock", "ok", found)


def _key(settings: Settings) -> Check:
    path = settings.key
    is_chosen = settings.sources.get("key", "default") != "default"
    if not path.exists():
        state = "broken" if is_chosen else "absent"
        return Check("robot key", state, f"no file {path}", f"Make one: ssh-keygen -t ed25519 -f {path}")
    if path.stat().st_mode & _TOO_OPEN:
        return Check("robot key", "broken", f"{path} can be read by others", f"chmod 600 {path}")
    try:
        found = fingerprint(load_private_key(path, os.environ.get("RILAAS_PASSPHRASE")).public)
    except RilaasError as error:
        return Check("robot key", "broken" if is_chosen else "absent", error.message, error.hint)
    return Check("robot key", "ok", found)


def _authority(settings: Settings) -> Check:
    path, name = settings.ca_path, "certificates"
    if not path.exists():
        state = "broken" if settings.ca or settings.target else "absent"
        return Check(name, state, f"no file {path}", "The fleet's interceptor has it: ca.pem in its tls folder.")
    from cryptography import x509

    try:
        certificate = x509.load_pem_x509_certificate(path.read_bytes())
    except ValueError:
        return Check(name, "broken", f"{path} is no certificate", "Fetch ca.pem from the interceptor again.")
    days = (certificate.not_valid_after_utc - datetime.now(timezone.utc)).days
    if days < 0:
        return Check(name, "broken", f"{path} ended {-days} days ago", "Fetch the new one from the interceptor.")
    private = path.with_name("ca.key")
    if private.exists() and private.stat().st_mode & _TOO_OPEN:
        return Check(name, "broken", f"{private} can be read by others", f"chmod 600 {private}")
    soon = "Renew it soon." if days < _SOON_DAYS else ""
    return Check(name, "ok", f"{path}, {days} days left", soon)


def _port(port: int, verb: str) -> Check:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError as error:
            hint = f"If that is not rilaas: let rilaas {verb} listen on another port."
            return Check(f"port {port}", "absent", f"for rilaas {verb}: {error.strerror}", hint)
    return Check(f"port {port}", "ok", f"free for rilaas {verb}")


def _target(settings: Settings) -> Check:
    """Connect, with TLS, as a robot would: that the name and the authority fit is seen here."""
    try:
        host, address = address_of(settings.target)
        host_and_port = split_address(address)
        context = ssl.create_default_context(cafile=str(settings.ca_path))
        context.set_alpn_protocols(["h2"])
        with (
            socket.create_connection(host_and_port, timeout=_CONNECT_S) as plain,
            context.wrap_socket(plain, server_hostname=host) as secure,
        ):
            found = f"{settings.target} answers, {secure.version()}"
    except RilaasError as error:
        return Check("target", "broken", error.message, error.hint)
    except (OSError, ValueError) as error:
        what = getattr(error, "verify_message", "") or getattr(error, "strerror", "") or str(error)
        hint = "Is the interceptor running, is its name in its certificate, and is the CA the fleet's?"
        return Check("target", "broken", f"{settings.target}: {what}", hint)
    return Check("target", "ok", found)
