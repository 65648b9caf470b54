"""``rilaas hub``: the management server."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import click

from rilaas.cli.config import read_settings
from rilaas.cli.lifetime import host_and_port
from rilaas.cli.output import Output, output_options, write_text
from rilaas.core import InvalidInput, MissingDependency, Unavailable
from rilaas.observe import set_up_logs
from rilaas.route.config import is_loopback
from rilaas.wire import ensure_authority

URL_FILE = Path("hub", "url")  # in the home: where the hub was reached last

EXAMPLE = """
\b
Examples:
  rilaas hub                                              on this machine
  rilaas hub --listen 0.0.0.0:8080 --tls ~/.rilaas/tls --host hub.lab    for a fleet
  rilaas hub --link                                       another link that signs you in
"""


@click.command("hub", epilog=EXAMPLE)
@click.option("--listen", "address", default="127.0.0.1:8080", show_default=True, metavar="HOST:PORT", help="0: any.")
@click.option("--tls", type=click.Path(path_type=Path), help="Folder of the fleet's certificate authority.")
@click.option("--host", "hosts", multiple=True, help="Name or address under which it is reached; may be repeated.")
@click.option("--behind-proxy", is_flag=True, help="Clear text beyond loopback; a proxy in front ends TLS.")
@click.option("--link", is_flag=True, help="Print a link that signs the one who runs the hub in, and end.")
@click.option("--home", metavar="PATH", help="Folder of all state (RILAAS_HOME).")
@click.option("--ready", "ready_path", default="", metavar="PATH", help="Write a JSON line when ready; - for stdout.")
@output_options
def command(
    address: str,
    tls: Path | None,
    hosts: tuple[str, ...],
    behind_proxy: bool,
    link: bool,
    home: str | None,
    ready_path: str,
    output: Output,
) -> None:
    """Start the web pages and the REST interface, until SIGTERM or Ctrl-C.

    People sign in, upload models and datasets, share them, register robots, deploy, and see what happens. Robots go
    on being served while the hub is down. RILAAS_DATABASE_URL, RILAAS_REDIS_URL and RILAAS_PROMETHEUS_URL name the
    real parts where there are some.
    """
    try:
        from rilaas.hub.running import HubConfig, listen, serve, set_up
    except ModuleNotFoundError as error:
        raise MissingDependency(f"The hub needs {error.name}.", "Install it: pip install 'rilaas[hub]'.") from None
    set_up_logs("warning" if output.quiet else "info")
    host, port = host_and_port(address)
    if not (tls or behind_proxy or is_loopback(address)):
        raise InvalidInput(
            f"Listening on {address} without TLS would send passwords in clear text.",
            "Add --tls FOLDER, or --behind-proxy where a proxy ends TLS.",
        )
    cert = None
    if tls:
        mine = ensure_authority(tls).issue("hub", hosts=[*hosts, "localhost", "127.0.0.1"])
        cert = (mine.cert_path, mine.key_path)
    config = HubConfig(read_settings({"home": home}).home, host.strip("[]"), port, hosts, cert, behind_proxy)
    if link:
        set_up(config)
        known = config.home / URL_FILE
        output.data(_link(known.read_text().strip() if known.is_file() else f"http://{address}"))
        output.talk("It works once, for a day.")
        return
    try:
        sock = listen(config)
    except OSError as error:
        raise Unavailable(f"Cannot listen on {address}: {error.strerror}.", "Choose another port.") from None
    token_path = set_up(config)
    shown = host if host.strip("[]") not in ("0.0.0.0", "::") else [*hosts, "127.0.0.1"][0]
    url = f"{'https' if cert else 'http'}://{shown}:{sock.getsockname()[1]}"
    write_text(config.home / URL_FILE, url + "\n")
    entry = _link(url)
    output.talk(f"hub    {url}, its data in {config.home}")
    if ready_path != "-":  # else whoever started this tells the link; a log is no place for it
        output.talk(f"       sign in, once: {entry}")
    line = json.dumps({"url": url, "entry": entry, "token_file": str(token_path)})
    if ready_path == "-":
        click.echo(line)
        sys.stdout.flush()
    elif ready_path:
        write_text(Path(ready_path), line + "\n")
    serve(config, sock)


def _link(url: str) -> str:
    from rilaas.hub.actions.person import first_person
    from rilaas.hub.actions.token import make_link

    return f"{url}/enter/{make_link(first_person())}"
