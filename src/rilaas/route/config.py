"""What an interceptor is told: where to listen, whom to admit, where the servers are.

As TOML::

    listen = "0.0.0.0:8443"
    balancer = "least_connections"   # see balancing.py for [balancing] and [models.NAME]
    access = "access.toml"           # see access.py; or [hub], which brings servers too
    metrics = "127.0.0.1:9090"       # optional

    [tls]
    authority = "tls"                # folder of the local certificate authority; made on first use
    hosts = ["192.168.1.5"]          # names and addresses under which robots reach it

    [hub]                            # instead of access
    url = "https://10.0.0.2:8000"
    token_file = "hub.token"         # a token of scope interceptor
    ca = "tls/ca.pem"                # optional: the authority of the hub's certificate
    max_stale_s = 600.0              # how long its policy stays in force without contact

    [[servers]]
    name = "cloud-1"
    kind = "cloud"
    address = "10.0.0.7:8001"        # a `rilaas serve`
    added_delay_s = 0.0              # emulates distance
    weight = 1.0                     # its share where a policy uses weights

    [[servers]]
    name = "edge-1"
    kind = "edge"
    models = ["lane-following"]      # model folders that the interceptor runs itself
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any

from rilaas.core import InvalidInput, NotFound, did_you_mean
from rilaas.core.toml import checked_table, read_toml
from rilaas.route.balancing import Balancing, check_spec, read_balancing, read_spec

KINDS = ("edge", "cloud")
DEFAULT_PORT = 8443
DEFAULT_BALANCER = "least_connections"
LOOPBACK = ("127.0.0.1", "localhost", "::1", "[::1]")


@dataclass(frozen=True, slots=True)
class TlsConfig:
    """Certificates.

    Attributes:
        authority: Folder with the fleet's certificate authority; made there on first use.
        hosts: DNS names and IP addresses of the interceptor; tokens for other names are refused.
    """

    authority: Path
    hosts: tuple[str, ...] = ("localhost", "127.0.0.1", "::1")


@dataclass(frozen=True, slots=True)
class HubConfig:
    """Where policy and servers come from.

    Attributes:
        url: The hub.
        token_path: File with a token of scope ``interceptor``.
        ca_path: The authority that a hub's certificate is checked against; the system's where None.
        max_stale_s: How long the policy stays in force without contact [s].
        memory: File that remembers the policy; None remembers nothing.
        redis_url: Where the policy is read instead; '' reads the hub's.
    """

    url: str
    token_path: Path
    ca_path: Path | None = None
    max_stale_s: float = 600.0
    memory: Path | None = None
    redis_url: str = ""

    def __post_init__(self) -> None:
        if not 0.0 < self.max_stale_s < float("inf"):
            raise InvalidInput(f"max_stale_s is {self.max_stale_s}; it is a number of seconds above 0.")

    def token(self) -> str:
        """Read the token.

        Raises:
            NotFound: There is no file.
            InvalidInput: It is empty or cannot be read.
        """
        try:
            token = self.token_path.read_text(encoding="utf-8").strip()
        except FileNotFoundError:
            raise NotFound(
                f"There is no file {self.token_path} with the hub's token.", "Make one in the hub."
            ) from None
        except (OSError, UnicodeDecodeError) as error:
            raise InvalidInput(f"{self.token_path} cannot be read: {error}.") from None
        if not token:
            raise InvalidInput(f"{self.token_path} is empty; it holds a token of the hub.")
        return token


@dataclass(frozen=True, slots=True)
class ServerConfig:
    """One server: ``address`` of a ``rilaas serve``, or ``models`` to run here; never both.

    Attributes:
        name: Unique name.
        kind: ``edge`` or ``cloud``.
        address: ``host:port``.
        models: Model folders.
        insecure: Clear text instead of TLS with a client certificate; on loopback only.
        added_delay_s: Emulated distance, added to each round trip [s].
        added_jitter_s: Its standard deviation [s].
        weight: Its share where a policy uses weights.
    """

    name: str
    kind: str = "edge"
    address: str = ""
    models: tuple[str, ...] = ()
    insecure: bool = False
    added_delay_s: float = 0.0
    added_jitter_s: float = 0.0
    weight: float = 1.0

    def __post_init__(self) -> None:
        where = f"Server {self.name!r}"
        if self.kind not in KINDS:
            raise InvalidInput(f"{where} is of kind {self.kind!r}.", did_you_mean(self.kind, KINDS))
        if bool(self.address) == bool(self.models):
            raise InvalidInput(f"{where} has either an address (host:port) or models (folders), not both.")
        if self.insecure and not is_loopback(self.address):
            raise InvalidInput(
                f"{where} is insecure at {self.address}, which is not loopback.",
                "Leave 'insecure' out: both sides then use certificates of [tls] authority.",
            )
        if self.added_delay_s < 0 or self.added_jitter_s < 0:
            raise InvalidInput(f"{where}: added_delay_s and added_jitter_s are at least 0 [s].")
        if not 0.0 < self.weight < float("inf"):
            raise InvalidInput(f"{where}: weight is {self.weight}; it is a number above 0.")


@dataclass(frozen=True, slots=True)
class RouteConfig:
    """All of it.

    Attributes:
        servers: At least one, unless there is a hub.
        access: The access policy's file; None where there is a hub.
        tls: Certificates; without them it listens on loopback only.
        listen: ``host:port``.
        balancer: A name of ``rilaas.balance.BALANCERS``, or ``NAME=FILE`` for one that was trained.
        metrics: ``host:port`` of the Prometheus endpoint, or ''.
        name: How the interceptor calls itself.
        hub: Where policy and further servers come from; None where there is an access file.
        balancing: How the policy is run, and what protects a model's requests.
    """

    servers: tuple[ServerConfig, ...] = ()
    access: Path | None = None
    tls: TlsConfig | None = None
    listen: str = f"127.0.0.1:{DEFAULT_PORT}"
    balancer: str = DEFAULT_BALANCER
    metrics: str = ""
    name: str = "rilaas-route"
    hub: HubConfig | None = None
    balancing: Balancing = field(default_factory=Balancing)

    def __post_init__(self) -> None:
        if (self.access is None) == (self.hub is None):
            raise InvalidInput("The interceptor has either an access file or a hub, not both.")
        if not self.servers and self.hub is None:
            raise InvalidInput("The interceptor has no servers.", "Add a [[servers]] table with name and address.")
        names = [server.name for server in self.servers]
        if len(set(names)) < len(names):
            raise InvalidInput(f"Two servers have the same name: {', '.join(sorted(names))}.")
        check_spec(self.balancer)
        if self.balancing.spec != self.balancer:
            object.__setattr__(self, "balancing", replace(self.balancing, spec=self.balancer))
        if self.tls is None and not is_loopback(self.listen):
            raise InvalidInput(
                f"Listening on {self.listen} without TLS would send robots' tokens in clear text.",
                "Add [tls] authority = FOLDER, or listen on 127.0.0.1.",
            )


def is_loopback(address: str) -> bool:
    """Whether ``host:port`` stays on this machine."""
    return address.rpartition(":")[0] in LOOPBACK


def read_route_config(path: Path) -> RouteConfig:
    """Read a configuration file; relative paths in it start at its folder.

    Raises:
        InvalidInput: Naming the table, the key and what would have been valid.
    """
    document = read_toml(path)
    base = path.parent
    checked_table(document, str(path), {"models", *(each.name for each in fields(RouteConfig))})
    for key in () if "hub" in document else ("servers", "access"):
        if key not in document:
            raise InvalidInput(f"{path}: {key!r} is missing.", "See `rilaas route --help` for an example.")
    values: dict[str, Any] = dict(document)
    servers = document.get("servers", [])
    if not isinstance(servers, list):
        raise InvalidInput(f"{path}: servers is a list of tables, each headed [[servers]].")
    values["servers"] = tuple(_server(row, base, path) for row in servers)
    if "access" in document:
        values["access"] = base / _text(document["access"], f"{path}: access")
    if "hub" in document:
        values["hub"] = _hub(document["hub"], base, path)
    if "tls" in document:
        values["tls"] = _tls(document["tls"], base, path)
    for key in ("listen", "balancer", "metrics", "name"):
        if key in values:
            values[key] = _text(values[key], f"{path}: {key}")
    values["balancer"] = spec = read_spec(values.get("balancer", DEFAULT_BALANCER), base)
    tables = values.pop("balancing", {}), values.pop("models", {})
    values["balancing"] = read_balancing(spec, *tables, base, str(path))
    return RouteConfig(**values)


def _server(row: Any, base: Path, path: Path) -> ServerConfig:
    where = f"{path}: [[servers]]"
    checked_table(row, where, {each.name for each in fields(ServerConfig)})
    if not isinstance(row.get("name"), str):
        raise InvalidInput(f"{where} needs a name.")
    row = dict(row)
    models = row.get("models", [])
    if not isinstance(models, list) or not all(isinstance(text, str) for text in models):
        raise InvalidInput(f"{where} {row['name']!r}: models is {models!r}; it is a list of folders.")
    row["models"] = tuple(str(_folder(base, text)) for text in models)
    for key, kinds, word in (
        ("insecure", (bool,), "true or false"),
        ("added_delay_s", (int, float), "a number [s]"),
        ("added_jitter_s", (int, float), "a number [s]"),
        ("weight", (int, float), "a number"),
        ("address", (str,), 'a string, "host:port"'),
        ("kind", (str,), "a string"),
    ):
        if key in row and (not isinstance(row[key], kinds) or (isinstance(row[key], bool) and bool not in kinds)):
            raise InvalidInput(f"{where} {row['name']!r}: {key} is {row[key]!r}; it is {word}.")
    return ServerConfig(**row)


def _folder(base: Path, text: str) -> str:
    """``[REF=]FOLDER`` with the folder made absolute."""
    ref, equals, folder = text.rpartition("=")
    return f"{ref}{equals}{base / folder}"


def _hub(row: Any, base: Path, path: Path) -> HubConfig:
    where = f"{path}: [hub]"
    checked_table(row, where, {"url", "token_file", "ca", "max_stale_s"})
    ca, max_stale_s = row.get("ca"), row.get("max_stale_s", 600.0)
    if isinstance(max_stale_s, bool) or not isinstance(max_stale_s, (int, float)):
        raise InvalidInput(f"{where} max_stale_s is {max_stale_s!r}; it is a number [s].")
    return HubConfig(
        _text(row.get("url"), f"{where} url"),
        base / _text(row.get("token_file"), f"{where} token_file"),
        None if ca is None else base / _text(ca, f"{where} ca"),
        float(max_stale_s),
        path.with_suffix(".policy.json"),
        os.environ.get("RILAAS_REDIS_URL", ""),
    )


def _tls(row: Any, base: Path, path: Path) -> TlsConfig:
    where = f"{path}: [tls]"
    checked_table(row, where, {each.name for each in fields(TlsConfig)})
    authority = base / _text(row.get("authority", "tls"), f"{where} authority")
    hosts = row.get("hosts", [])
    if not isinstance(hosts, list) or not all(isinstance(host, str) for host in hosts):
        raise InvalidInput(f"{where} hosts is a list of names and addresses.")
    return TlsConfig(authority, _with_loopback(hosts))


def tls_config(authority: Path | None, hosts: Sequence[str]) -> TlsConfig | None:
    """Certificates of an authority for these hosts and loopback; None without an authority."""
    return None if authority is None else TlsConfig(authority, _with_loopback(hosts))


def _with_loopback(hosts: Sequence[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys((*hosts, "localhost", "127.0.0.1", "::1")))


def _text(value: Any, where: str) -> str:
    if not isinstance(value, str):
        raise InvalidInput(f"{where} is {value!r}; it is a string.")
    return value
