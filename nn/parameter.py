"""Parameter: a tensor that a module trains."""

from typing import Any

from tinygrad_lite import Tensor, arguments


class _AsksTheTensor(type(Tensor)):  # type: ignore[misc]  # Tensor's, which is not public
    """isinstance(x, Parameter) is x.is_parameter."""

    def __instancecheck__(cls, value: object) -> bool:
        return isinstance(value, Tensor) and value.is_parameter


class Parameter(Tensor, metaclass=_AsksTheTensor):
    """A Tensor with `is_parameter`, which modules train and save: `Parameter(data)` makes one.

        self.scale = Parameter(np.ones(3, np.float32))      # Tensor(..., requires_grad=True)
        self.table = Parameter(Tensor.arange(4), requires_grad=False)

    data            as for Tensor, and copied; the graph of a computed Tensor is left behind
    requires_grad   whether it is trained; with False it is frozen, and saved nevertheless

    The result is a Tensor and nothing else: a leaf that requires grad is a parameter anyway.

    Errors: TypeError for data that is trained and not of a float dtype.
    """

    __slots__ = ()

    def __new__(cls, data: Any, requires_grad: bool = True) -> Tensor:  # type: ignore[misc]
        """A plain Tensor."""
        trained = arguments.flag(requires_grad, "Parameter: requires_grad")
        tensor = Tensor(data.detach() if isinstance(data, Tensor) else data).detach()
        if trained and tensor.dtype.kind != "f":
            raise TypeError(
                f"Parameter: data: expected floats, which have gradients; got {tensor.dtype}; "
                "write data.astype(np.float32), or requires_grad=False"
            )
        tensor.is_parameter = True
        return tensor.requires_grad_(trained)
