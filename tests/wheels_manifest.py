"""The ``model.toml`` of small models from a camera frame to the speeds of two wheels, in Python alone."""


def wheels_manifest(name, description="Always the same command.", datatype="FP32"):
    """Its text; the class Model is in hooks.py, and ``datatype`` is that of the output."""
    return f"""
name = "{name}"
task = "lane-following"
description = "{description}"
backend = "python"
hooks = "hooks.py"

[inputs.image]
datatype = "UINT8"
shape = [-1, 120, 160, 3]
meaning = "camera frame, RGB"

[outputs.wheels]
datatype = "{datatype}"
shape = [-1, 2]
unit = "m/s"
"""
