"""What a robot's owner pastes on the robot."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Any

from django.conf import settings

from rilaas.client.robot_client import address_of

_FILES = {"ssh-ed25519": "id_ed25519", "ssh-rsa": "id_rsa"}
_ANYWHERE = ("0.0.0.0", "[::]", "::")
CA_PATH = "~/.rilaas/ca.pem"

# The inputs are zeros of the shapes that the model takes: the first call shows that everything works.
_PYTHON = """\
import numpy
from rilaas.client import RobotClient

rc = RobotClient({address!r}, {model!r}, {version!r}, {key!r}, {ca!r})
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


def set_up(robot: str, kinds: list[str], address: str, model: str, host: str) -> dict[str, Any]:
    """Commands for the robot's shell, and a Python program that asks a model.

    Args:
        robot: Its name, for the key's comment.
        kinds: Kinds of its keys in force, as they begin the public lines.
        address: An interceptor's ``host:port``.
        model: A model that it may use.
        host: Under which the reader reaches the hub: an interceptor that listens everywhere is there too.
    """
    kind = kinds[0] if kinds else "ssh-ed25519"
    key = f"~/.ssh/{_FILES.get(kind, 'id_ecdsa' if kind.startswith('ecdsa') else 'id_ed25519')}"
    pem = authority_pem()
    shell = [
        "# A key, where there is none; its public half is registered on this page.",
        "mkdir -p -m 700 ~/.ssh ~/.rilaas",
        f"test -f {key} || ssh-keygen -q -t {_TYPES.get(kind, 'ed25519')} -N '' -C {shlex.quote(robot)} -f {key}",
        f"cat {key}.pub",
        "# The client.",
        "python3 -m pip install rilaas",
    ]
    if pem:
        shell += ["# The certificate of the fleet's authority.", f"cat > {CA_PATH} <<'END'", pem.strip(), "END"]
    python = _PYTHON.format(address=_reachable(address, host), model=model, version="", key=key, ca=CA_PATH)
    return {"shell": "\n".join(shell), "python": python, "has_ca": bool(pem), "ca_path": CA_PATH}


_TYPES = {"ssh-ed25519": "ed25519", "ssh-rsa": "rsa -b 3072", "ecdsa-sha2-nistp256": "ecdsa"}


def _reachable(address: str, host: str) -> str:
    own, _ = address_of(address)
    if own not in _ANYWHERE:
        return address
    return f"{f'[{host}]' if ':' in host else host}:{address.rpartition(':')[2]}"
