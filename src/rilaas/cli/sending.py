"""Sending a file to the hub in parts, which it acknowledges one by one."""

from __future__ import annotations

import time
from pathlib import Path

from rilaas.cli.hub_target import Transfer
from rilaas.cli.output import Output
from rilaas.core import Conflict
from rilaas.wire import HubConnection

_PART_BYTES = (2**18, 16 * 2**20)  # the first part, and the largest
_PART_S = 1.0  # parts grow until each takes so long: a broken line loses about a second


def send_parts(hub: HubConnection, path: Path, sha256: str, size_bytes: int, output: Output) -> None:
    """Send a file as an upload; it goes on where an earlier one stopped.

    Args:
        hub: An open connection.
        path: The file.
        sha256: Of its bytes, in hexadecimal digits.
        size_bytes: How many they are [bytes].
        output: Where progress is shown.

    Raises:
        RilaasError: What the hub answered.
    """
    address = f"/api/v1/uploads/{sha256}"
    state = hub.get(address, size_bytes=size_bytes)
    if state["received_bytes"]:
        output.talk(f"going on after {1e-6 * state['received_bytes']:.1f} MB that the hub has already")
    transfer, length = Transfer(size_bytes, output, state["received_bytes"]), _PART_BYTES[0]
    with path.open("rb") as file:
        while not state["is_complete"]:
            offset = state["received_bytes"]
            file.seek(offset)
            start_s = time.monotonic()
            try:
                state = hub.put(address, file.read(length), size_bytes=size_bytes, offset=offset)
            except Conflict:  # an answer was lost, and the part had come
                state = hub.get(address, size_bytes=size_bytes)
                if state["received_bytes"] <= offset:
                    raise
            if time.monotonic() - start_s < _PART_S:
                length = min(2 * length, _PART_BYTES[1])
            transfer.at(state["received_bytes"])
    output.progress_done()
