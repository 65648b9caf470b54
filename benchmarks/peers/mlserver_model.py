"""MLServer's custom runtime with an ONNX model; see ``write_mlserver`` in serving.py."""

import os

os.environ["ORT_DISABLE_TELEMETRY"] = "1"

import onnxruntime
from mlserver import MLModel
from mlserver.codecs import NumpyCodec
from mlserver.types import InferenceResponse


class Pilot(MLModel):
    async def load(self):
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        weights = self.settings.parameters.uri
        self.session = onnxruntime.InferenceSession(weights, options, providers=["CPUExecutionProvider"])
        self.output = self.session.get_outputs()[0].name
        return True

    async def predict(self, payload):
        array = NumpyCodec.decode_input(payload.inputs[0])
        result = self.session.run([self.output], {payload.inputs[0].name: array})[0]
        return InferenceResponse(model_name=self.name, outputs=[NumpyCodec.encode_output(self.output, result)])
