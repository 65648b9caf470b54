"""A certificate authority of one's own, in a folder.

``ca.pem`` is copied to robots, ``ca.key`` (mode 600) stays where it is. They are made on first use: ECDSA P-256, ten
years, allowed to sign nothing but end certificates, which live one year.
"""

from __future__ import annotations

import contextlib
import datetime
import fcntl
import ipaddress
import os
import re
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from rilaas.core import InvalidInput

_CA_DAYS, _LEAF_DAYS, _RENEW_DAYS = 3650, 365, 30
_EARLIER = datetime.timedelta(hours=1)  # certificates begin an hour ago: robots' clocks differ
_NAME = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]{0,61}[A-Za-z0-9])?")
_HOST = re.compile(r"(?=.{1,253}$)[A-Za-z0-9_](?:[A-Za-z0-9_-]{0,62})(?:\.[A-Za-z0-9_][A-Za-z0-9_-]{0,62})*")


@dataclass(frozen=True, slots=True)
class Certificate:
    """A certificate and its private key, on disk."""

    cert_path: Path
    key_path: Path


@dataclass(frozen=True, slots=True)
class Authority:
    """An authority, in a folder.

    Attributes:
        folder: Holds ``ca.pem``, ``ca.key`` and the certificates issued.
    """

    folder: Path

    @property
    def cert_path(self) -> Path:
        """The authority's certificate, which robots trust."""
        return self.folder / "ca.pem"

    @property
    def key_path(self) -> Path:
        """The authority's private key."""
        return self.folder / "ca.key"

    def issue(self, name: str, hosts: Sequence[str] = (), *, client: bool = False) -> Certificate:
        """A certificate ``name.pem`` with its key ``name.key`` (mode 600).

        One that is there, covers the same hosts and is good for another 30 days is kept.

        Args:
            name: Names the files and the subject, such as ``edge-1``.
            hosts: DNS names and IP addresses that a server is dialled by; a client's own name where empty.
            client: For a client that proves itself by certificate, instead of a server.

        Raises:
            InvalidInput: A name or host is none, or a server has no host.
        """
        if not _NAME.fullmatch(name) or name == "ca":
            raise InvalidInput(f"{name!r} cannot name a certificate.", "Letters, digits, dots and dashes; not ca.")
        names = [_general_name(host) for host in hosts or ([name] if client else [])]
        if not names:
            raise InvalidInput(
                f"The certificate {name!r} has no host.", "Pass the names that the server is dialled by."
            )
        certificate = Certificate(self.folder / f"{name}.pem", self.folder / f"{name}.key")
        with _locked(self.folder):
            if not self._is_good(certificate, names, client):
                self._sign(certificate, name, names, client)
        return certificate

    def _is_good(self, certificate: Certificate, names: list[x509.GeneralName], client: bool) -> bool:
        try:
            leaf = x509.load_pem_x509_certificate(certificate.cert_path.read_bytes())
            key = serialization.load_pem_private_key(certificate.key_path.read_bytes(), None)
            leaf.verify_directly_issued_by(_certificate(self.cert_path))
            usage = leaf.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
            has = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        except Exception:  # whatever is wrong with it, it is made anew
            return False
        return (
            key.public_key() == leaf.public_key()
            and set(has) == set(names)
            and _usage(client) in usage
            and leaf.not_valid_after_utc > _now() + datetime.timedelta(days=_RENEW_DAYS)
        )

    def _sign(self, certificate: Certificate, name: str, names: list[x509.GeneralName], client: bool) -> None:
        authority = _certificate(self.cert_path)
        authority_key = serialization.load_pem_private_key(self.key_path.read_bytes(), None)
        if not isinstance(authority_key, ec.EllipticCurvePrivateKey):
            raise InvalidInput(f"{self.key_path} is not the key of an authority of ours.")
        key = ec.generate_private_key(ec.SECP256R1())
        issuer_key = x509.AuthorityKeyIdentifier.from_issuer_public_key(authority_key.public_key())
        leaf = (
            _builder(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)]), authority.subject, key, _LEAF_DAYS)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(_key_usage(signs_certificates=False), critical=True)
            .add_extension(x509.ExtendedKeyUsage([_usage(client)]), critical=False)
            .add_extension(x509.SubjectAlternativeName(names), critical=False)
            .add_extension(issuer_key, critical=False)
            .sign(authority_key, hashes.SHA256())
        )
        _write(certificate.key_path, _pem(key), 0o600)
        _write(certificate.cert_path, leaf.public_bytes(serialization.Encoding.PEM), 0o644)


def ensure_authority(folder: str | os.PathLike[str]) -> Authority:
    """The authority in a folder, made if there is none; several processes may ask at once.

    Raises:
        InvalidInput: One half of it is missing; nothing is overwritten.
    """
    path = Path(folder).expanduser()
    path.mkdir(mode=0o700, parents=True, exist_ok=True)
    authority = Authority(path)
    with _locked(path):
        there = [file for file in (authority.cert_path, authority.key_path) if file.exists()]
        if len(there) == 1:
            other = ({authority.cert_path, authority.key_path} - set(there)).pop()
            raise InvalidInput(
                f"{there[0]} is there without {other.name}.", "Restore it, or move the folder away to begin anew."
            )
        if not there:
            _make_authority(authority)
    return authority


def _make_authority(authority: Authority) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    number = x509.random_serial_number()
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, f"rilaas authority {number % 16**8:08x}")])
    certificate = (
        _builder(subject, subject, key, _CA_DAYS)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_key_usage(signs_certificates=True), critical=True)
        .sign(key, hashes.SHA256())
    )
    _write(authority.key_path, _pem(key), 0o600)
    _write(authority.cert_path, certificate.public_bytes(serialization.Encoding.PEM), 0o644)


def _builder(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePrivateKey, days: int
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(_now() - _EARLIER)
        .not_valid_after(_now() + datetime.timedelta(days=days))
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    )


def _key_usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        encipher_only=False,
        decipher_only=False,
    )


def _usage(client: bool) -> x509.ObjectIdentifier:
    return ExtendedKeyUsageOID.CLIENT_AUTH if client else ExtendedKeyUsageOID.SERVER_AUTH


def _general_name(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(host.strip("[]")))
    except ValueError:
        pass
    if not _HOST.fullmatch(host):
        raise InvalidInput(f"{host!r} is neither a host name nor an IP address.")
    return x509.DNSName(host.lower())


def _now() -> datetime.datetime:
    return datetime.datetime.now(datetime.timezone.utc)


def _pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def _write(path: Path, data: bytes, mode: int) -> None:
    """Write the whole file or nothing; it never exists with a wider mode."""
    descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(descriptor, "wb") as stream:
            stream.write(data)
            stream.flush()
            os.fsync(stream.fileno())
        Path(temporary).chmod(mode)
        Path(temporary).replace(path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


@contextlib.contextmanager
def _locked(folder: Path) -> Iterator[None]:
    descriptor = os.open(folder / ".lock", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _certificate(path: Path) -> x509.Certificate:
    return x509.load_pem_x509_certificate(path.read_bytes())
