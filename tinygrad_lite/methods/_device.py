"""Devices: there is one, the CPU, so that programs which name it run as they are."""

from typing import Any

from ..arrays.arguments import shown, wrong

CPU = "cpu"


def check_device(device: Any, name: str) -> None:
    """Raise unless `device` is None or the CPU: "cpu", "CPU" or "cpu:0".

    Errors: ValueError for another device, TypeError for what is no device.
    """
    if device is None or is_cpu(device):
        return
    if not is_device(device):
        raise wrong(name, "'cpu'", device)
    raise ValueError(
        f"{name}: everything is computed on the CPU, with NumPy; got {shown(str(device))}; "
        "use 'cpu', or leave it out"
    )


def is_device(value: Any) -> bool:
    """Whether this is a name, or a device of PyTorch, whose type is a name."""
    return isinstance(value, str) or isinstance(getattr(value, "type", None), str)


def is_cpu(device: Any) -> bool:
    """Whether this is a name of the CPU."""
    return is_device(device) and str(device).lower().partition(":")[0] == CPU
