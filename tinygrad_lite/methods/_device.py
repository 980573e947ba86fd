"""Devices: there is one, the CPU, so that programs which name it run as they are."""

from typing import Any

CPU = "cpu"


def check_device(device: Any) -> None:
    """Raise unless `device` is the CPU ("cpu", "CPU", "cpu:0") or None.

    Errors: ValueError for another device, TypeError for what is no device.
    """
    if device is None or is_cpu(device):
        return
    if not isinstance(device, str) and not hasattr(device, "type"):  # a device of PyTorch has one
        raise TypeError(f"device: expected 'cpu'; got {type(device).__name__}")
    raise ValueError(
        f"device: everything is computed on the CPU, with NumPy; got {str(device)!r}; "
        "use 'cpu', or leave it out"
    )


def is_cpu(device: Any) -> bool:
    """Whether this is a name of the CPU."""
    return str(device).lower().partition(":")[0] == CPU
