"""nginx before gRPC servers in clear text on loopback: the document's own load balancer, as Debian packages it.

Requests of all models come by the same path, and their names stand inside the message, where nginx does not look: one
rotation, and one count of connections for each server, for all models together.
"""

import contextlib
import shutil
import socket
import subprocess
import time
from pathlib import Path

METHODS = ("round_robin", "least_conn")
_CONFIGURATION = """daemon off;
worker_processes 1;  # counts of connections are a worker's own
pid {folder}/nginx.pid;
error_log {folder}/error.log warn;
events {{ worker_connections 4096; }}
http {{
    access_log off;
    client_max_body_size 0;
    client_body_buffer_size 8m;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    http2_max_concurrent_streams 1024;
    keepalive_requests 1000000;
    upstream servers {{
{method}{servers}        keepalive 256;
        keepalive_requests 1000000;
    }}
    server {{
        listen 127.0.0.1:{port} http2;
        location / {{
            grpc_pass grpc://servers;
            grpc_read_timeout 120s;
            grpc_send_timeout 120s;
            add_header rilaas-upstream $upstream_addr;
        }}
    }}
}}
"""


def configuration(folder, method, port, addresses):
    """The text of ``nginx.conf``.

    Args:
        folder: Where nginx may write.
        method: One of ``METHODS``: cyclic order, or the server with the fewest active connections.
        port: Where it listens on loopback, for HTTP/2 without TLS.
        addresses: ``host:port`` of the gRPC servers. All have the same weight, and none is ever left out.
    """
    if method not in METHODS:
        raise ValueError(f"nginx balances by {' or '.join(METHODS)}, not by {method!r}")
    if not addresses:
        raise ValueError("nginx needs a server to send requests to")
    servers = "".join(f"        server {address} max_fails=0;\n" for address in addresses)
    chosen = "" if method == "round_robin" else f"        {method};\n"
    return _CONFIGURATION.format(folder=folder, port=port, method=chosen, servers=servers)


def program():
    """Where nginx is; None where it is not installed. Debian keeps it out of a user's PATH."""
    return shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin")


def free_port():
    """A port on loopback that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Nginx:
    """One nginx of our own; starts on ``with``, ends after it.

    Attributes:
        address: Where it listens.
    """

    def __init__(self, folder, method, addresses):
        folder = Path(folder)
        folder.mkdir(parents=True)
        self._folder = folder
        self._port = free_port()
        self.address = f"127.0.0.1:{self._port}"
        (folder / "nginx.conf").write_text(configuration(folder, method, self._port, addresses))
        self._process = None

    def __enter__(self):
        command = [program(), "-p", self._folder, "-c", self._folder / "nginx.conf", "-e", self._folder / "error.log"]
        self._process = subprocess.Popen([str(word) for word in command], stderr=subprocess.DEVNULL)
        try:
            self._wait()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        self._process.terminate()
        self._process.wait(20)

    def _wait(self):
        end = time.monotonic() + 20.0
        while True:
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self._port), 1.0):
                return
            if self._process.poll() is not None or time.monotonic() > end:
                raise RuntimeError(f"nginx does not start: {(self._folder / 'error.log').read_text()}")
            time.sleep(0.02)
