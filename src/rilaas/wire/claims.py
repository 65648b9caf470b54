"""What a robot's token says: a JWT, taken apart strictly.

::

    header  {"typ": "rilaas+jwt", "alg": ..., "kid": "SHA256:..."}
    claims  {"iss": kid, "aud": "rilaas://HOST", "iat": ..., "nbf": ..., "exp": ..., "jti": random, "use": "stream"?}

All but ``use`` are required. Reading a token says nothing about its signature; ``token`` verifies.
"""

from __future__ import annotations

import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from dataclasses import dataclass
from typing import Any

from rilaas.core import Unauthenticated

TYPE = "rilaas+jwt"
MAX_TOKEN_BYTES = 2048  # an RSA-8192 token has 1.8 kB
_REQUIRED = {"iss": str, "aud": str, "iat": int, "nbf": int, "exp": int, "jti": str}
_MAX_TIME = 2**40  # seconds since 1970, far from where floats lose integers


@dataclass(frozen=True, slots=True)
class Claims:
    """What a token says; times are seconds since 1970 (UTC) by the robot's clock.

    Attributes:
        kid: Fingerprint of the key that signed it.
        jti: Its own random name.
        audience: Whom it is for.
        issued_at: When it was made.
        not_before: From when it is good.
        expires_at: Until when it is good.
        single_use: Whether it opens one stream, once, and nothing else.
    """

    kid: str
    jti: str
    audience: str
    issued_at: int
    not_before: int
    expires_at: int
    single_use: bool


@dataclass(frozen=True, slots=True)
class Token:
    """A token taken apart, not verified.

    Attributes:
        kid: The key that it says it is signed with.
        algorithm: The algorithm that it says it is signed with; '' where it is no text.
        payload: Its claims, as JSON.
        signed: What the signature covers.
        signature: The signature.
    """

    kid: str
    algorithm: str
    payload: bytes
    signed: bytes
    signature: bytes


def audience(host: str) -> str:
    """The audience of tokens for a host, as it was dialled: ``rilaas://edge-1.local``."""
    return f"rilaas://{host.strip('[]').lower()}"


def split_token(token: str) -> Token:
    """Take a token apart.

    Raises:
        Unauthenticated: It is too large, no JWT, or not of our type.
    """
    if len(token) > MAX_TOKEN_BYTES:
        raise Unauthenticated(f"The token has {len(token)} bytes; at most {MAX_TOKEN_BYTES} are valid.")
    parts = token.split(".")
    if len(parts) != 3 or not token.isascii():
        raise Unauthenticated("The token is not a JWT: it has not three parts of ASCII.")
    head, payload, signature = (_decode(part) for part in parts)
    header = _json(head)
    kid, algorithm = header.get("kid"), header.get("alg")
    if header.get("typ") != TYPE or not isinstance(kid, str) or "crit" in header:
        raise Unauthenticated(f"The token is not of type {TYPE} with a key's fingerprint as kid.")
    signed = token.rpartition(".")[0].encode()
    return Token(kid, algorithm if isinstance(algorithm, str) else "", payload, signed, signature)


def _decode(part: str) -> bytes:
    try:
        data = urlsafe_b64decode(part + "=" * (-len(part) % 4))
    except ValueError:
        raise Unauthenticated("The token is not a JWT: a part is not base64url.") from None
    if urlsafe_b64encode(data).decode().rstrip("=") != part:
        raise Unauthenticated("The token is not a JWT: a part is not base64url in its one form.")
    return data


def _json(data: bytes) -> dict[str, Any]:
    try:
        value = json.loads(data)
    except (ValueError, RecursionError):
        value = None
    if not isinstance(value, dict):
        raise Unauthenticated("The token is not a JWT: a part is not a JSON object.")
    return value


def read_claims(payload: bytes, kid: str) -> Claims:
    """Read the claims of a token whose signature is good.

    Raises:
        Unauthenticated: One is missing, of a wrong type, or contradicts another.
    """
    claims = _json(payload)
    for name, kind in _REQUIRED.items():
        if type(claims.get(name)) is not kind:
            raise Unauthenticated(f"The token's claim {name!r} is missing or no {kind.__name__}.")
    if claims["iss"] != kid:
        raise Unauthenticated("The token's issuer is not its key.")
    if not 8 <= len(claims["jti"]) <= 64:
        raise Unauthenticated("The token's claim 'jti' has not 8 to 64 characters.")
    if claims.get("use") not in (None, "stream"):
        raise Unauthenticated("The token's claim 'use' is neither absent nor 'stream'.")
    issued_at, not_before, expires_at = claims["iat"], claims["nbf"], claims["exp"]
    if not 0 <= issued_at <= not_before < expires_at <= _MAX_TIME:
        raise Unauthenticated("The token's times are not in the order iat, nbf, exp.")
    single_use = claims.get("use") == "stream"
    return Claims(kid, claims["jti"], claims["aud"], issued_at, not_before, expires_at, single_use)
