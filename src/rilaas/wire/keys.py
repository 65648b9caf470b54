"""Robots' SSH keys: reading, making, naming them.

A key is named by its fingerprint, the one that ``ssh-keygen -lf`` prints. The signature algorithm follows from the
key alone: Ed25519 signs EdDSA, the NIST curves ES256, ES384 and ES512, RSA RS256.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import os
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

from rilaas.core import InvalidInput, MissingDependency, NotFound, did_you_mean

MIN_RSA_BITS, MAX_RSA_BITS = 2048, 8192  # below is weak; above, one verification costs milliseconds
_MAX_FILE_BYTES = 64 * 1024
_CURVES = {"secp256r1": "ES256", "secp384r1": "ES384", "secp521r1": "ES512"}
_ENCRYPTED = "Pass its passphrase."
_KINDS = "ssh-ed25519, ecdsa-sha2-nistp256, -nistp384, -nistp521, ssh-rsa"


@dataclass(frozen=True, slots=True, eq=False)
class PublicKey:
    """A public key that tokens are verified with.

    Attributes:
        algorithm: The only signature algorithm (JOSE name) that is accepted with it.
        fingerprint: ``SHA256:...``, as ``ssh-keygen -lf`` prints it.
        line: As it stands in ``authorized_keys``, without comment.
        key: The key of the cryptography package.
    """

    algorithm: str
    fingerprint: str
    line: str
    key: Any

    def __eq__(self, other: object) -> bool:
        return isinstance(other, PublicKey) and self.line == other.line

    def __hash__(self) -> int:
        return hash(self.line)


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class PrivateKey:
    """A private key that tokens are signed with; it never shows itself in a ``repr``.

    Attributes:
        public: The public half, which also tells the algorithm.
        key: The key of the cryptography package.
    """

    public: PublicKey
    key: Any

    def __repr__(self) -> str:
        return f"PrivateKey({self.public.fingerprint})"


def load_private_key(path: str | os.PathLike[str], passphrase: str | bytes | None = None) -> PrivateKey:
    """Read an OpenSSH, PEM or PKCS #8 private key.

    As with ``ssh``, a file of one's own that others may read is refused.

    Args:
        path: Such as ``~/.ssh/id_ed25519``.
        passphrase: For an encrypted key; another key does not look at it.

    Raises:
        NotFound: There is no such file.
        InvalidInput: It is no private key, of a kind or size that is not accepted, readable by others, or the
            passphrase is missing or wrong.
        MissingDependency: An encrypted OpenSSH key needs the package bcrypt.
    """
    file = Path(path).expanduser()
    data = _read_private(file)
    if b"PRIVATE KEY-----" not in data:
        hint = "This is the public half; pass the file without .pub." if data.startswith((b"ssh-", b"ecdsa-")) else ""
        raise InvalidInput(f"{file} is not a private key.", hint or "Make one with ssh-keygen -t ed25519.")
    secret = passphrase.encode() if isinstance(passphrase, str) else passphrase
    try:
        key = _parse_private(data, secret or None)
    except TypeError:
        raise InvalidInput(f"{file} is encrypted.", _ENCRYPTED) from None
    except UnsupportedAlgorithm as error:
        if "bcrypt" in str(error):
            raise MissingDependency(
                f"{file} is encrypted; reading it needs the package bcrypt.", "pip install 'rilaas[ssh]'"
            ) from None
        raise InvalidInput(f"{file}: {error}.", f"Valid kinds: {_KINDS}.") from None
    except ValueError as error:
        if not secret and "password" in str(error).lower():  # cryptography 42 raises another class here
            raise InvalidInput(f"{file} is encrypted.", _ENCRYPTED) from None
        if secret:
            raise InvalidInput(f"The passphrase does not open {file}, or the file is damaged.") from None
        raise InvalidInput(f"{file} is not a readable private key: {error}.") from None
    return PrivateKey(_public(key.public_key(), str(file)), key)


def _read_private(file: Path) -> bytes:
    try:
        with file.open("rb") as stream:
            status = os.fstat(stream.fileno())
            if os.name == "posix" and status.st_uid == os.getuid() and stat.S_IMODE(status.st_mode) & 0o077:
                raise InvalidInput(
                    f"{file} can be read by others (mode {stat.S_IMODE(status.st_mode):o}).", f"Run: chmod 600 {file}"
                )
            data = stream.read(_MAX_FILE_BYTES + 1)
    except FileNotFoundError:
        raise NotFound(f"There is no key {file}.", "Make one with ssh-keygen -t ed25519.") from None
    except OSError as error:
        raise InvalidInput(f"{file} cannot be read: {error.strerror}.") from None
    if len(data) > _MAX_FILE_BYTES:
        raise InvalidInput(f"{file} is larger than {_MAX_FILE_BYTES} bytes and no key.")
    return data


def _parse_private(data: bytes, secret: bytes | None) -> Any:
    is_openssh = b"BEGIN OPENSSH PRIVATE KEY" in data
    parse = serialization.load_ssh_private_key if is_openssh else serialization.load_pem_private_key
    try:
        return parse(data, secret)
    except TypeError:
        if secret is None:
            raise
        return parse(data, None)  # it is not encrypted after all


def load_public_key(line: str) -> PublicKey:
    """Read a public key as it stands in a ``.pub`` file or in ``authorized_keys``.

    Raises:
        InvalidInput: It is no such line, or a key of a kind or size that is not accepted.
    """
    words = line.split()
    shown = line.strip()[:40]
    if "PRIVATE KEY" in line:
        raise InvalidInput("This is a private key; register the .pub file and keep the private one on the robot.")
    if len(words) < 2 or "\n" in line.strip():
        raise InvalidInput(f"{shown!r} is not a public key.", "It looks like: ssh-ed25519 AAAAC3Nza... comment")
    if words[0].startswith("sk-") or "-cert-" in words[0]:
        raise InvalidInput(f"Keys of kind {words[0]} cannot sign tokens.", f"Valid kinds: {_KINDS}.")
    try:
        key = serialization.load_ssh_public_key(" ".join(words[:2]).encode())
    except (ValueError, UnsupportedAlgorithm, binascii.Error):
        raise InvalidInput(f"{shown!r} is not a public key.", f"Valid kinds: {_KINDS}.") from None
    return _public(key, shown)


def fingerprint(public: PublicKey) -> str:
    """``SHA256:...``, as ``ssh-keygen -lf`` prints it."""
    return public.fingerprint


def _public(key: Any, where: str) -> PublicKey:
    if isinstance(key, ed25519.Ed25519PublicKey):
        algorithm = "EdDSA"
    elif isinstance(key, ec.EllipticCurvePublicKey) and key.curve.name in _CURVES:
        algorithm = _CURVES[key.curve.name]
    elif isinstance(key, rsa.RSAPublicKey):
        if not MIN_RSA_BITS <= key.key_size <= MAX_RSA_BITS:
            raise InvalidInput(
                f"{where} is an RSA key of {key.key_size} bits; valid are {MIN_RSA_BITS} to {MAX_RSA_BITS}.",
                "Make a new one with ssh-keygen -t ed25519.",
            )
        algorithm = "RS256"
    else:
        raise InvalidInput(f"{where} is a key of another kind.", f"Valid kinds: {_KINDS}.")
    line = key.public_bytes(serialization.Encoding.OpenSSH, serialization.PublicFormat.OpenSSH).decode()
    digest = hashlib.sha256(base64.b64decode(line.split()[1])).digest()
    return PublicKey(algorithm, "SHA256:" + base64.b64encode(digest).decode().rstrip("="), line, key)


def generate_key(path: str | os.PathLike[str], kind: str = "ed25519", *, comment: str = "") -> PrivateKey:
    """Make a key pair as ``ssh-keygen`` does: ``path`` (mode 600, not encrypted) and ``path.pub``.

    Args:
        path: Where the private key goes; nothing is overwritten.
        kind: ``ed25519``, ``ecdsa`` (P-256) or ``rsa`` (3072 bits).
        comment: At the end of the public line, for people.

    Raises:
        InvalidInput: Unknown kind, or there is a file already.
        NotFound: The folder does not exist.
    """
    if kind not in _MAKERS:
        raise InvalidInput(f"There are no keys of kind {kind!r} here.", did_you_mean(kind, _MAKERS))
    file = Path(path).expanduser()
    key = _MAKERS[kind]()
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.OpenSSH, serialization.NoEncryption()
    )
    public = _public(key.public_key(), str(file))
    _write_new(file, private, 0o600)
    _write_new(file.with_name(file.name + ".pub"), f"{public.line} {comment}".rstrip().encode() + b"\n", 0o644)
    return PrivateKey(public, key)


_MAKERS: dict[str, Any] = {
    "ed25519": ed25519.Ed25519PrivateKey.generate,
    "ecdsa": lambda: ec.generate_private_key(ec.SECP256R1()),
    "rsa": lambda: rsa.generate_private_key(public_exponent=65537, key_size=3072),
}


def _write_new(file: Path, data: bytes, mode: int) -> None:
    try:
        descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    except FileExistsError:
        raise InvalidInput(f"{file} is there already and is not overwritten.", "Choose another path.") from None
    except FileNotFoundError:
        raise NotFound(f"There is no folder {file.parent}.", f"Run: mkdir -p {file.parent}") from None
    except OSError as error:
        raise InvalidInput(f"{file} cannot be written: {error.strerror}.") from None
    with os.fdopen(descriptor, "wb") as stream:
        stream.write(data)
