"""The robot's side: five arguments and one call.

Takes tensors, returns predictions, over one TLS stream to an interceptor or through one inside this process.
Needs numpy, grpcio, protobuf, cryptography and PyJWT only. May hold a route; imports wire and core.
"""

from rilaas.client.embedded import EmbeddedTransport
from rilaas.client.robot_client import RobotClient
from rilaas.client.stream import StreamTransport
from rilaas.client.transport import Transport
from rilaas.core import Fallback

__all__ = ["EmbeddedTransport", "Fallback", "RobotClient", "StreamTransport", "Transport"]
