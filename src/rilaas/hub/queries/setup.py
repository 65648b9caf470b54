"""What a robot's owner pastes on the robot."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from django.conf import settings
from django.utils import timezone

from rilaas.client.robot_client import address_of
from rilaas.hub.models import Interceptor
from rilaas.hub.queries.fleet import SILENT_AFTER
from rilaas.route.config import DEFAULT_PORT

_FILES = {"ssh-ed25519": "id_ed25519", "ssh-rsa": "id_rsa"}
_TYPES = {"ssh-ed25519": "ed25519", "ssh-rsa": "rsa -b 3072"}
_ANYWHERE = ("0.0.0.0", "[::]", "::")
CA_PATH = "~/.rilaas/ca.pem"

# The inputs are zeros of the shapes that the model takes: the first call shows that everything works.
_PYTHON = """\
import numpy
from rilaas.client import RobotClient

rc = RobotClient({address!r}, {model!r}, '', {key!r}, {ca!r})
print("\\n".join(map(str, rc.signature.inputs.values())))
inputs = {{
    spec.name: numpy.full([max(1, size) for size in spec.shape], b"" if spec.datatype == "BYTES" else 0, spec.dtype)
    for spec in rc.signature.inputs.values()
}}
outputs = rc.predict(inputs)
print({{name: value.shape for name, value in outputs.items()}}, outputs.timing)
rc.close()
"""


def authority_pem() -> str:
    """The certificate of the fleet's authority on this machine; '' where there is none."""
    try:
        return authority_path().read_text()
    except OSError:
        return ""


def authority_path() -> Path:
    """Where that is: ``rilaas up`` makes it."""
    return Path(settings.HOME).parent / "tls" / "ca.pem"


def set_up(robot: Mapping[str, Any], host: str) -> dict[str, Any]:
    """Commands for the robot's shell, and a Python program that asks a model.

    Args:
        robot: As ``show_robot`` gives it.
        host: ``host[:port]`` under which the reader reaches the hub: an interceptor that listens on every address is
            there too, and where none is known, that is the guess.
    """
    kind = next((key["kind"] for key in robot["keys"] if key["revoked_at"] is None), "ssh-ed25519")
    own, _ = address_of(host)
    known = [_reachable(address, own) for address in robot["interceptors"]]
    address = known[0] if known else f"{f'[{own}]' if ':' in own else own}:{DEFAULT_PORT}"
    key = f"~/.ssh/{_FILES.get(kind, 'id_ecdsa')}"
    pem = authority_pem()
    shell = [
        "# A key, where there is none; its public half is registered on this page.",
        "mkdir -p -m 700 ~/.ssh ~/.rilaas",
        f"test -f {key} || ssh-keygen -q -t {_TYPES.get(kind, 'ecdsa')} -N '' -C {robot['name']} -f {key}",
        f"cat {key}.pub",
        "# The client.",
        "python3 -m pip install rilaas",
    ]
    if pem:
        shell += ["# The certificate of the fleet's authority.", f"cat > {CA_PATH} <<'END'", pem.strip(), "END"]
    python = _PYTHON.format(address=address, model=robot["use_model"] or "OWNER/MODEL", key=key, ca=CA_PATH)
    return {
        "shell": "\n".join(shell),
        "python": python,
        "address": address,
        "model": robot["use_model"],
        "has_ca": bool(pem),
        "ca_path": CA_PATH,
    }


def interceptor_at(host: str) -> str:
    """Where robots ask, as the reader reaches it; '' where no interceptor reports.

    Args:
        host: ``host[:port]`` under which the reader reaches the hub.
    """
    up = Interceptor.objects.exclude(address="").filter(last_report_at__gt=timezone.now() - SILENT_AFTER)
    address = up.order_by("name").values_list("address", flat=True).first()
    return _reachable(address, address_of(host)[0]) if address else ""


def _reachable(address: str, host: str) -> str:
    own, _ = address_of(address)
    if own not in _ANYWHERE:
        return address
    return f"{f'[{host}]' if ':' in host else host}:{address.rpartition(':')[2]}"
