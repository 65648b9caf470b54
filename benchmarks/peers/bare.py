"""The floor: a model behind grpc.aio in one process, without TLS, authentication or anything else.

python benchmarks/peers/bare.py WEIGHTS.onnx PORT
"""

import asyncio
import os
import sys

os.environ["ORT_DISABLE_TELEMETRY"] = "1"

import grpc
import grpc.aio
import onnxruntime

from rilaas.wire import METHODS, SERVICE, decode_request, encode_response


async def main(weights, port):
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(weights, options, providers=["CPUExecutionProvider"])
    name = session.get_outputs()[0].name

    async def infer(body, context):
        request = decode_request(body)
        outputs = session.run([name], dict(request.tensors))
        return encode_response(request.model, "1", {name: outputs[0]}, request_id=request.request_id)

    server = grpc.aio.server(options=[("grpc.max_receive_message_length", 64 * 2**20)])
    handlers = {METHODS["ModelInfer"].name: grpc.unary_unary_rpc_method_handler(infer)}
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(SERVICE, handlers),))
    server.add_insecure_port(f"127.0.0.1:{port}")
    await server.start()
    print("ready", flush=True)
    await server.wait_for_termination()


asyncio.run(main(sys.argv[1], int(sys.argv[2])))
