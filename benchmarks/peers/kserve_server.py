"""KServe's model server with an ONNX model: python kserve_server.py WEIGHTS.onnx GRPC_PORT HTTP_PORT."""

import os
import sys

os.environ["ORT_DISABLE_TELEMETRY"] = "1"

import kserve
import numpy as np
import onnxruntime

weights, grpc_port, http_port = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])


class Pilot(kserve.Model):
    def __init__(self, name):
        super().__init__(name)
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        self.session = onnxruntime.InferenceSession(weights, options, providers=["CPUExecutionProvider"])
        self.output = self.session.get_outputs()[0].name
        self.ready = True

    def predict(self, payload, headers=None, response_headers=None):
        array = payload.inputs[0].as_numpy()
        result = self.session.run([self.output], {payload.inputs[0].name: array})[0]
        output = kserve.InferOutput(self.output, list(result.shape), "FP32")
        output.set_data_from_numpy(np.ascontiguousarray(result), binary_data=True)
        return kserve.InferResponse(payload.id, self.name, [output])


kserve.ModelServer(http_port=http_port, grpc_port=grpc_port, workers=1, enable_docs_url=False).start([Pilot("pilot")])
