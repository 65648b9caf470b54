"""The hub's listening socket."""

import socket

from rilaas.hub.running import HubConfig, listen


def test_an_answer_in_two_parts_does_not_wait_for_its_reader(tmp_path):
    with listen(HubConfig(tmp_path, port=0)) as sock, socket.create_connection(sock.getsockname()):
        sock.setblocking(True)
        accepted, _ = sock.accept()
        with accepted:
            assert accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
