"""Robots' tokens: short-lived JWTs, signed with the robot's SSH key; see ``claims`` for what they say.

What is refused: a forged signature; a key that is not registered (any more); any algorithm but the registered key's
own, ``none`` and HMAC with the public key included; a token for another audience, expired, not yet valid, living
longer than allowed, lacking a claim, oversized; a token that comes from another host than the first time; a stream
token on its second stream.

What remains: whoever reads a token on the robot, or ends its TLS, can use it until it expires: first, or from the
same host (behind one NAT address all hosts are one), or against another interceptor with the same name, or against
one that was restarted, for the memory of used tokens is the process's own. Single-use stream tokens narrow that to
being first. Client certificates close it.
"""

from __future__ import annotations

import hashlib
import secrets
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Any

import jwt

from rilaas.core import InvalidInput, RateLimited, Unauthenticated
from rilaas.wire.claims import MAX_TOKEN_BYTES, TYPE, Claims, read_claims, split_token
from rilaas.wire.keys import PrivateKey, PublicKey

_SWEEP_S = 60.0  # how often what expired is forgotten
_CLOCK = "Compare the robot's clock with the server's."
_NAMES = {"EdDSA": ("EdDSA", "Ed25519")}  # RFC 9864 names Ed25519 by its curve; both names are in use


def peer_host(peer: str) -> str:
    """The host of a gRPC peer (``ipv4:10.0.0.7:51234``, ``ipv6:%5B::1%5D:51234``), without its port."""
    kind, _, rest = peer.replace("%5B", "[").replace("%5D", "]").partition(":")
    return rest.rsplit(":", 1)[0].strip("[]") if kind in ("ipv4", "ipv6") else peer


def sign_token(
    key: PrivateKey,
    audience: str,
    *,
    lifetime_s: int = 300,
    single_use: bool = False,
    clock: Callable[[], float] = time.time,
) -> str:
    """Make a token.

    Args:
        key: The robot's private key.
        audience: See ``claims.audience``.
        lifetime_s: How long it is good for [s].
        single_use: Whether it opens one stream, once, and nothing else.
        clock: Seconds since 1970.
    """
    now = int(clock())
    kid = key.public.fingerprint
    claims: dict[str, Any] = {"iss": kid, "aud": audience, "iat": now, "nbf": now, "exp": now + int(lifetime_s)}
    claims["jti"] = secrets.token_urlsafe(12)
    if single_use:
        claims["use"] = "stream"
    return jwt.encode(claims, key.key, algorithm=key.public.algorithm, headers={"kid": kid, "typ": TYPE})


@dataclass(slots=True)
class _Use:
    """Where a token was first seen, and whether it has opened its stream."""

    host: str
    expires_at: float
    opened: bool = False


class TokenVerifier:
    """Verify tokens; a verdict is remembered until the token expires or its key is taken away.

    The lookup is asked on every call, so that a key that is gone stops working at once. What a token was used for is
    remembered by key and ``jti``, which the signature covers, and not by the token's bytes, which a thief can vary
    without breaking an ECDSA signature. Thread-safe.

    Args:
        lookup: The registered key of a fingerprint, or None.
        audiences: Those that this side answers to; see ``claims.audience``.
        skew_s: How far clocks may differ, both ways [s].
        max_lifetime_s: Tokens that live longer are refused [s].
        max_tokens_per_key: Unexpired tokens that one key may have in use, so that no robot can fill the memory.
        max_verdicts: Verdicts that are remembered; the least recently used one is forgotten and verified again.
        clock: Seconds since 1970.
    """

    def __init__(
        self,
        lookup: Callable[[str], PublicKey | None],
        audiences: Collection[str],
        *,
        skew_s: float = 30,
        max_lifetime_s: float = 300,
        max_tokens_per_key: int = 1000,
        max_verdicts: int = 10_000,
        clock: Callable[[], float] = time.time,
    ) -> None:
        if not audiences:
            raise InvalidInput("A verifier needs the names that it answers to.")
        self._lookup, self._audiences = lookup, frozenset(audiences)
        self._skew_s, self._max_lifetime_s = skew_s, max_lifetime_s
        self._max_tokens_per_key, self._max_verdicts = max_tokens_per_key, max_verdicts
        self._clock = clock
        self._verdicts: OrderedDict[bytes, tuple[Claims, PublicKey]] = OrderedDict()
        self._uses: dict[str, dict[str, _Use]] = {}  # by kid and jti
        self._next_sweep = 0.0
        self._lock = threading.Lock()

    def verify(self, token: str, peer: str, *, opens_stream: bool = False) -> Claims:
        """The claims of a good token.

        Args:
            token: Compact JWT.
            peer: Host that it came from, without port; see ``peer_host``.
            opens_stream: Whether it is used to open a stream.

        Raises:
            Unauthenticated: Saying why.
            RateLimited: The key has too many tokens in use.
        """
        claims = self.authenticate(token)
        with self._lock:
            self._use(claims, peer, opens_stream)
        return claims

    def authenticate(self, token: str) -> Claims:
        """Who signed a token, without counting that as a use: enough to stop listening to a stranger.

        Raises:
            Unauthenticated: Saying why.
        """
        if len(token) > MAX_TOKEN_BYTES:
            raise Unauthenticated(f"The token has {len(token)} bytes; at most {MAX_TOKEN_BYTES} are valid.")
        digest = hashlib.sha256(token.encode("utf-8", "replace")).digest()
        with self._lock:
            verdict = self._verdicts.get(digest)
            if verdict is not None:
                self._verdicts.move_to_end(digest)
        if verdict is not None:
            claims, key = verdict
            self._check_key(claims.kid, key)
            self._check_times(claims)
            return claims
        claims, key = self._verify(token)
        with self._lock:
            self._verdicts[digest] = (claims, key)
            if len(self._verdicts) > self._max_verdicts:
                self._verdicts.popitem(last=False)
        return claims

    def confirm(self, claims: Claims) -> None:
        """Check that the key of a stream that was opened before is still registered.

        Raises:
            Unauthenticated: It is not.
        """
        if self._lookup(claims.kid) is None:
            raise _unknown(claims.kid)

    def _verify(self, text: str) -> tuple[Claims, PublicKey]:
        token = split_token(text)
        key = self._lookup(token.kid)
        if key is None:
            raise _unknown(token.kid)
        if token.algorithm not in _NAMES.get(key.algorithm, (key.algorithm,)):
            raise Unauthenticated(f"The token's algorithm is not the one of its key, {key.algorithm}.")
        if not jwt.get_algorithm_by_name(key.algorithm).verify(token.signed, key.key, token.signature):
            raise Unauthenticated("The token's signature is wrong.", "Is it signed with the key that kid names?")
        claims = read_claims(token.payload, token.kid)
        if claims.audience not in self._audiences:
            raise Unauthenticated(
                f"The token is for {claims.audience!r}, which is not a name of this interceptor.",
                "Dial it by a name in its certificate, or configure the name.",
            )
        if (lifetime_s := claims.expires_at - claims.issued_at) > self._max_lifetime_s:
            raise Unauthenticated(f"The token lives {lifetime_s} s; at most {self._max_lifetime_s:g} s are valid.")
        self._check_times(claims)
        return claims, key

    def _check_key(self, kid: str, key: PublicKey) -> None:
        current = self._lookup(kid)
        if current is not key and current != key:
            raise _unknown(kid)

    def _check_times(self, claims: Claims) -> None:
        now = self._clock()
        if now > claims.expires_at + self._skew_s:
            raise Unauthenticated(f"The token expired {now - claims.expires_at:.0f} s ago.", _CLOCK)
        if now < claims.not_before - self._skew_s:
            raise Unauthenticated(f"The token is valid only in {claims.not_before - now:.0f} s.", _CLOCK)

    def _use(self, claims: Claims, peer: str, opens_stream: bool) -> None:
        uses = self._uses.setdefault(claims.kid, {})
        use = uses.get(claims.jti)
        if use is None:
            use = uses[claims.jti] = self._first_use(claims, peer, uses)
        if use.host != peer:
            raise Unauthenticated("The token was first used by another host.", "Sign a new one on this host.")
        if claims.single_use:
            if not opens_stream:
                raise Unauthenticated("The token only opens a stream.")
            if use.opened:
                raise Unauthenticated("The token has opened its stream already.", "Sign a new one for each stream.")
            use.opened = True

    def _first_use(self, claims: Claims, peer: str, uses: dict[str, _Use]) -> _Use:
        now = self._clock()
        if now >= self._next_sweep:
            self._next_sweep = now + _SWEEP_S
            for kid in list(self._uses):
                _forget_expired(self._uses[kid], now)
                if not self._uses[kid] and kid != claims.kid:
                    del self._uses[kid]
        if len(uses) >= self._max_tokens_per_key:
            _forget_expired(uses, now)
        if len(uses) >= self._max_tokens_per_key:
            raise RateLimited(
                f"This key has {len(uses)} unexpired tokens in use; more are not taken.",
                "Use a token until it expires.",
            )
        return _Use(peer, claims.expires_at + self._skew_s)


def _forget_expired(uses: dict[str, _Use], now: float) -> None:
    for jti in [jti for jti, use in uses.items() if use.expires_at < now]:
        del uses[jti]


def _unknown(kid: str) -> Unauthenticated:
    return Unauthenticated(f"No robot has the key {kid[:60]!r}.", "Register the robot's .pub file.")
