"""TLS: gRPC's credentials from certificate files, and the names in a certificate."""

from __future__ import annotations

import os
from pathlib import Path

import grpc
from cryptography import x509

from rilaas.core import InvalidInput, NotFound


def certificate_names(pem: bytes | Path) -> list[str]:
    """The DNS names and IP addresses of a certificate, PEM bytes or a file.

    Raises:
        NotFound: There is no such file.
        InvalidInput: It is no certificate.
    """
    data = _read(pem) if isinstance(pem, Path) else pem
    try:
        certificate = x509.load_pem_x509_certificate(data)
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except ValueError:
        raise InvalidInput("This is not a certificate in PEM form.") from None
    except x509.ExtensionNotFound:
        return []
    return [str(name.value) for name in names if isinstance(name, (x509.DNSName, x509.IPAddress))]


def _read(path: str | os.PathLike[str]) -> bytes:
    try:
        return Path(path).expanduser().read_bytes()
    except FileNotFoundError:
        raise NotFound(f"There is no file {path}.") from None
    except OSError as error:
        raise InvalidInput(f"{path} cannot be read: {error.strerror}.") from None


def _read_pem(path: str | os.PathLike[str], what: str) -> bytes:
    data = _read(path)
    if b"-----BEGIN" not in data:
        raise InvalidInput(f"{path} is not a {what} in PEM form.")
    return data


def server_credentials(
    cert: str | os.PathLike[str], key: str | os.PathLike[str], client_ca: str | os.PathLike[str] | None = None
) -> grpc.ServerCredentials:
    """Credentials of a gRPC server.

    Args:
        cert: Its certificate (PEM).
        key: Its private key (PEM).
        client_ca: Where given, only clients with a certificate of this authority are let in.

    Raises:
        NotFound: A file does not exist.
        InvalidInput: A file is not PEM.
    """
    pairs = [(_read_pem(key, "private key"), _read_pem(cert, "certificate"))]
    roots = None if client_ca is None else _read_pem(client_ca, "certificate")
    return grpc.ssl_server_credentials(pairs, root_certificates=roots, require_client_auth=roots is not None)


def client_credentials(
    ca: str | os.PathLike[str], cert: str | os.PathLike[str] | None = None, key: str | os.PathLike[str] | None = None
) -> grpc.ChannelCredentials:
    """Credentials of a gRPC client.

    Args:
        ca: Certificate of the authority that is trusted (PEM).
        cert: The client's own certificate, where the server wants one.
        key: Its private key.

    Raises:
        NotFound: A file does not exist.
        InvalidInput: A file is not PEM, or only one of ``cert`` and ``key`` is given.
    """
    if (cert is None) != (key is None):
        raise InvalidInput("A client's certificate and its key go together.", "Pass both or none.")
    return grpc.ssl_channel_credentials(
        _read_pem(ca, "certificate"),
        None if key is None else _read_pem(key, "private key"),
        None if cert is None else _read_pem(cert, "certificate"),
    )
