"""The wire's costs: codec, peek, frames and tokens, each as a ratio to a floor measured in the same run.

    python benchmarks/wire.py [--rounds N] [--json PATH]

Every row is a call repeated in many short rounds that alternate with all others; the median round counts. Floors:
copying the same bytes once, what protobuf alone needs for the same message, and PyJWT's own decode of the same token.
"""

import argparse
import json
import statistics
import sys
import tempfile
import time
from pathlib import Path

import jwt
import numpy as np

from rilaas.core import RateLimited
from rilaas.wire import (
    Frame,
    FrameKind,
    FrameReader,
    TokenVerifier,
    audience,
    decode_request,
    decode_response,
    encode_request,
    encode_response,
    generate_key,
    pack_frame,
    peek,
    sign_token,
    unwrap_stream_response,
    with_parameters,
    wrap_stream_response,
)
from rilaas.wire import inference_pb2 as pb

ROUND_S = 0.004  # one round of one row
HERE = audience("edge-1.local")
IMAGE = np.random.default_rng(0).standard_normal((1, 3, 66, 200)).astype(np.float32)  # 158,400 bytes
FRAME = np.random.default_rng(0).integers(0, 256, (1, 120, 160, 3), np.uint8)  # 57,600 bytes
TIMINGS = {
    "rilaas_queue_s": 1e-4,
    "rilaas_preprocess_s": 2e-4,
    "rilaas_compute_s": 3e-4,
    "rilaas_postprocess_s": 1e-5,
}


def protobuf_encode():
    message = pb.ModelInferRequest(model_name="lane-following", id="7", raw_input_contents=[IMAGE.tobytes()])
    message.inputs.add(name="input", datatype="FP32", shape=IMAGE.shape)
    return message.SerializeToString()


def protobuf_typed():
    message = pb.ModelInferRequest(model_name="lane-following", id="7")
    contents = pb.InferTensorContents(fp32_contents=IMAGE.ravel())
    message.inputs.add(name="input", datatype="FP32", shape=IMAGE.shape, contents=contents)
    return message.SerializeToString()


def protobuf_decode(body):
    message = pb.ModelInferRequest.FromString(body)
    return np.frombuffer(message.raw_input_contents[0], np.float32).reshape(tuple(message.inputs[0].shape))


def message_rows():
    """Label, call, and the label of its floor."""
    raw = IMAGE.tobytes()
    body = encode_request("lane-following", "", {"input": IMAGE}, request_id="7")
    camera = encode_request("lane-following", "", {"image": FRAME}, request_id="7")
    typed = protobuf_typed()
    answer = encode_response("lane-following", "1", {"wheels": np.zeros((1, 2), np.float32)}, request_id="7")
    stream = wrap_stream_response(answer, None)
    framed = pack_frame(Frame(FrameKind.INFER, 1, 0.0, body=body))
    reader = FrameReader()
    refusal = RateLimited("Too often.", "Slow down.")
    return [
        ("copy 158 kB", lambda: bytes(memoryview(raw)), None),
        ("protobuf: encode 158 kB", protobuf_encode, "copy 158 kB"),
        (
            "encode 158 kB",
            lambda: encode_request("lane-following", "", {"input": IMAGE}, request_id="7"),
            "copy 158 kB",
        ),
        ("protobuf: decode 158 kB", lambda: protobuf_decode(body), "copy 158 kB"),
        ("decode 158 kB", lambda: decode_request(body), "copy 158 kB"),
        ("decode 58 kB camera frame", lambda: decode_request(camera), "copy 158 kB"),
        ("decode 158 kB typed", lambda: decode_request(typed), "copy 158 kB"),
        ("encode answer of 8 bytes", lambda: encode_response("m", "1", {"wheels": FRAME[0, 0, 0]}), None),
        ("decode answer of 8 bytes", lambda: decode_response(answer), None),
        ("protobuf: read the model's name", lambda: pb.ModelInferRequest.FromString(body).model_name, None),
        ("peek 158 kB", lambda: peek(body), "protobuf: read the model's name"),
        ("add four timings to an answer", lambda: with_parameters(answer, TIMINGS), None),
        ("wrap a stream answer", lambda: wrap_stream_response(answer, None), None),
        ("wrap a stream refusal", lambda: wrap_stream_response(b"", refusal, "7"), None),
        ("unwrap a stream answer", lambda: unwrap_stream_response(stream), None),
        ("read a frame of 158 kB", lambda: reader.feed(framed), "copy 158 kB"),
    ]


def token_rows(folder):
    """Signing and verifying with each kind of key, cold and from a warm cache."""
    rows = []
    for kind in ("ed25519", "ecdsa", "rsa"):
        key = generate_key(folder / kind, kind)
        token = sign_token(key, HERE)
        lookup = {key.public.fingerprint: key.public}.get
        warm = TokenVerifier(lookup, [HERE])
        warm.verify(token, "10.0.0.7")

        def cold(lookup=lookup, token=token):
            return TokenVerifier(lookup, [HERE]).verify(token, "10.0.0.7")

        def floor(key=key, token=token):
            return jwt.decode(token, key.public.key, algorithms=[key.public.algorithm], audience=HERE)

        rows += [
            (f"PyJWT: decode, {kind}", floor, None),
            (f"sign a token, {kind}", lambda key=key: sign_token(key, HERE), f"PyJWT: decode, {kind}"),
            (f"verify a new token, {kind}", cold, f"PyJWT: decode, {kind}"),
            (
                f"verify a known token, {kind}",
                lambda warm=warm, token=token: warm.verify(token, "10.0.0.7"),
                f"PyJWT: decode, {kind}",
            ),
        ]
    return rows


def measure(rows, rounds):
    """Median microseconds of each row."""
    repeats = {}
    for label, call, _ in rows:
        start = time.perf_counter()
        for _ in range(20):
            call()
        repeats[label] = max(1, int(ROUND_S * 20 / (time.perf_counter() - start)))
    spent = {label: [] for label, _, _ in rows}
    for number in range(rounds):
        print(f"\rround {number + 1} of {rounds}", end="", file=sys.stderr)
        for label, call, _ in rows:
            count = repeats[label]
            start = time.perf_counter()
            for _ in range(count):
                call()
            spent[label].append(1e6 * (time.perf_counter() - start) / count)
    print(file=sys.stderr)
    return {label: statistics.median(values) for label, values in spent.items()}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=60)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        rows = message_rows() + token_rows(Path(folder))
        median_us = measure(rows, options.rounds)
    results = {}
    print(f"{'':34}{'median us':>10}{'ratio':>8}  floor")
    for label, _, floor in rows:
        ratio = median_us[label] / median_us[floor] if floor else None
        results[label] = {"median_us": median_us[label], "floor": floor, "ratio": ratio}
        print(f"{label:34}{median_us[label]:10.2f}" + (f"{ratio:8.2f}  {floor}" if floor else ""))
    if options.json:
        options.json.write_text(json.dumps({"rounds": options.rounds, "rows": results}, indent=1))


if __name__ == "__main__":
    main()
