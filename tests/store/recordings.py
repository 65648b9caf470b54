"""Small recordings of a robot for tests: a camera, wheels and joints, as MCAP and as rosbag2 folders."""

import json
import warnings

import numpy as np
from mcap.writer import CompressionType, Writer
from PIL import Image
from rosbags.rosbag2 import StoragePlugin
from rosbags.rosbag2 import Writer as BagWriter
from rosbags.typesys import Stores, get_typestore

STORE = get_typestore(Stores.ROS2_HUMBLE)
T = STORE.types
HEIGHT, WIDTH, COUNT = 6, 8, 5


def picture(number, height=HEIGHT, width=WIDTH):
    """(height, width, 3) uint8."""
    return np.random.default_rng(number).integers(0, 256, (height, width, 3), np.uint8)


def header():
    return T["std_msgs/msg/Header"](stamp=T["builtin_interfaces/msg/Time"](sec=1, nanosec=2), frame_id="camera")


def image(number, encoding="rgb8"):
    pixels = picture(number)
    if encoding == "bgr8":
        pixels = pixels[:, :, ::-1]
    padded = np.zeros((HEIGHT, WIDTH * 3 + 5), np.uint8)  # rows may be longer than their pixels
    padded[:, : WIDTH * 3] = pixels.reshape(HEIGHT, -1)
    return T["sensor_msgs/msg/Image"](header(), HEIGHT, WIDTH, encoding, 0, WIDTH * 3 + 5, padded.ravel())


def joints(number):
    return T["sensor_msgs/msg/JointState"](
        header(),
        name=["one", "two"],
        position=np.array([number, number + 0.5]),
        velocity=np.array([1.0, 2.0]),
        effort=np.zeros(0),
    )


def twist(number):
    vector = T["geometry_msgs/msg/Vector3"]
    return T["geometry_msgs/msg/Twist"](vector(float(number), 0.0, 0.0), vector(0.0, 0.0, -float(number)))


def wheels(number):
    layout = T["std_msgs/msg/MultiArrayLayout"](dim=[], data_offset=0)
    return T["std_msgs/msg/Float32MultiArray"](layout, np.array([number / 10, 0.5], np.float32))


TOPICS = {
    "/camera/image_raw": image,
    "/joint_states": joints,
    "/cmd_vel": twist,
    "/expected/wheels": wheels,
}


def messages():
    """(topic, type, message, time [ns]) in order; the camera comes last in each turn."""
    for number in range(COUNT):
        for order, topic in enumerate(["/joint_states", "/cmd_vel", "/expected/wheels", "/camera/image_raw"]):
            message = TOPICS[topic](number)
            yield topic, message.__msgtype__, message, number * 1_000_000 + order


def write_bag(folder, storage="sqlite3"):
    """A rosbag2 folder."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with BagWriter(folder, version=9, storage_plugin=StoragePlugin[storage.upper()]) as bag:
            connections = {
                topic: bag.add_connection(topic, make(0).__msgtype__, typestore=STORE)
                for topic, make in TOPICS.items()
            }
            for topic, kind, message, time in messages():
                bag.write(connections[topic], time, STORE.serialize_cdr(message, kind))
    return folder


def write_mcap(path, compression=CompressionType.ZSTD):
    """An MCAP of the profile ros2."""
    with path.open("wb") as file:
        writer = Writer(file, compression=compression, chunk_size=2000)
        writer.start("ros2")
        channels = {}
        for topic, make in TOPICS.items():
            kind = make(0).__msgtype__
            text = STORE.generate_msgdef(kind, ros_version=2)[0]
            schema = writer.register_schema(kind, "ros2msg", text.encode())
            channels[topic] = writer.register_channel(topic, "cdr", schema)
        for topic, kind, message, time in messages():
            writer.add_message(channels[topic], time, bytes(STORE.serialize_cdr(message, kind)), time)
        writer.finish()
    return path


def write_plain_mcap(path, messages):
    """An MCAP of JSON messages: (topic, type, value)."""
    with path.open("wb") as file:
        writer = Writer(file)
        writer.start()
        channels = {}
        for time, (topic, kind, value) in enumerate(messages):
            if topic not in channels:
                schema = writer.register_schema(kind, "jsonschema", b"{}")
                channels[topic] = writer.register_channel(topic, "json", schema)
            writer.add_message(channels[topic], time, json.dumps(value).encode(), time)
        writer.finish()
    return path


def save_picture(path, number, **options):
    """A PNG or JPEG, by the suffix."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(picture(number)).save(path, **options)
    return path
