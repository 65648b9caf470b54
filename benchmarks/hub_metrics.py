"""An endpoint of metrics with nearly as many series as a hub keeps, which grow at each look."""

import contextlib
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from rilaas.observe import Registry
from rilaas.route.access import SourceStatus
from rilaas.route.measures import Measures
from rilaas.route.stage import Stages

ROBOTS, MODELS, SERVERS = 36, 10, 4


class _NoPolicy:
    """What the metrics show of a policy."""

    def status(self):
        return SourceStatus("hub", 1)


def count(measures):
    """One query of every robot to every model."""
    stages = Stages(0.001, 0.002, 0.001, 0.01)
    for model in range(MODELS):
        for robot in range(ROBOTS):
            measures.ended(f"local/robot-{robot}", f"local/model-{model}", "ok", 0.002 * (robot + 1))
        for server in range(SERVERS):
            measures.tried(f"server-{server}", f"local/model-{model}", "ok", 0.01, stages)


@contextlib.contextmanager
def many_series():
    """Gives its address, as ``HOST:PORT``."""
    registry = Registry()
    measures = Measures(registry, _NoPolicy())

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            count(measures)
            body = registry.to_text().encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
