"""Whether there is an NVIDIA card, and what else is missing to use it."""

from __future__ import annotations

import ctypes
import functools
import importlib.util
from collections.abc import Mapping

_NAME_BYTES = 96  # NVML_DEVICE_NAME_V2_BUFFER_SIZE
_DRIVER = "libnvidia-ml.so.1"


@functools.cache
def card() -> str:
    """Name of the first card that the driver knows, such as ``NVIDIA H100 80GB HBM3``; '' where there is none.

    NVML is asked, which comes with the driver and leaves no context of CUDA behind: a process that asked may fork.
    """
    try:
        driver = ctypes.CDLL(_DRIVER)
    except OSError:
        return ""
    if driver.nvmlInit_v2():
        return ""
    try:
        count = ctypes.c_uint()
        if driver.nvmlDeviceGetCount_v2(ctypes.byref(count)) or not count.value:
            return ""
        device, name = ctypes.c_void_p(), ctypes.create_string_buffer(_NAME_BYTES)
        if driver.nvmlDeviceGetHandleByIndex_v2(0, ctypes.byref(device)):
            return ""
        return "" if driver.nvmlDeviceGetName(device, name, _NAME_BYTES) else name.value.decode(errors="replace")
    finally:
        driver.nvmlShutdown()


def missing_for(packages: Mapping[str, str]) -> str:
    """What a backend on a card lacks, all of it in one sentence; '' where nothing.

    Args:
        packages: What to install by the module that has to be there.
    """
    absent = [name for name in packages if importlib.util.find_spec(name) is None]
    found = []
    if not card():
        found.append(f"there is no NVIDIA card (its driver's {_DRIVER} knows none)")
    if absent:
        install = " ".join(dict.fromkeys(f"'{packages[name]}'" for name in absent))
        found.append(
            f"{' and '.join(absent)} {'is' if len(absent) == 1 else 'are'} not installed: pip install {install}"
        )
    elif card() and "torch" in packages and not _torch_has_cuda():
        found.append("the torch that is installed has no CUDA or does not see the card: install its CUDA build")
    return "; ".join(found)


def _torch_has_cuda() -> bool:
    import torch

    return bool(torch.cuda.is_available())
