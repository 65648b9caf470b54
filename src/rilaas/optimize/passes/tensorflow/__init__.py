"""TensorFlow's passes: from ONNX through tf_keras and the Model Optimization Toolkit to a LiteRT file.

Takes a float network in ONNX, gives ``.tflite``. Needs an environment with TensorFlow; imports it when a pass runs.
"""
