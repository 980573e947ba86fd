"""Messages between the processes of a DataLoader: values pickled, arrays as they are.

The memory of arrays is sent through a socket after the pickle of the value that contains them, and
the receiver's array is the memory that it was received in.
"""

import pickle
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import socket

SMALL = 4096  # bytes; smaller arrays are pickled with the rest


class WorkerTraceback(Exception):
    """The cause of an error from another process: its text is the traceback there."""


class Failure:
    """An error on its way to another process."""

    def __init__(self, error: BaseException) -> None:
        import traceback

        self.line = traceback.format_exception_only(error)[-1].strip()
        self.text = "".join(traceback.format_exception(error))
        self.copy = _copied(error)

    def rebuilt(self, where: str) -> BaseException:
        """The error, of its own type if that can be made here; its cause says where it arose."""
        error: Any = None
        if self.copy is not None:
            try:
                error = pickle.loads(self.copy)
            except Exception:  # whatever a user's class raises, or it is not defined here
                error = None
        if not isinstance(error, BaseException):
            error = RuntimeError(f"DataLoader: {where}: {self.line}")
        found: BaseException = error
        found.__cause__ = WorkerTraceback(f'in {where}\n"""\n{self.text}"""')
        return found


class _Bare:
    """An error whose copy is made without its constructor, which may want other arguments."""

    def __init__(self, error: BaseException) -> None:
        self.parts = type(error), error.args, error.__dict__

    def __reduce__(self) -> Any:
        return _without_constructor, self.parts


def _without_constructor(
    kind: type[BaseException], args: tuple[Any, ...], attributes: dict[str, Any]
) -> BaseException:
    error = kind.__new__(kind, *args)
    error.__dict__.update(attributes)
    return error


def _copied(error: BaseException) -> bytes | None:
    """A pickle of the error that can be loaded; None if there is none."""
    for form in (error, _Bare(error)):
        try:
            data = pickle.dumps(form)
            copy = pickle.loads(data)
            if type(copy) is type(error) and str(copy) == str(error):
                return data
        except Exception:  # whatever a user's class raises
            continue
    return None


def pickled(value: Any, what: str) -> tuple[bytes, list[bytes]]:
    """A value without its larger arrays, and those; all are copies.  TypeError if it has none."""
    buffers: list[bytes] = []

    def stays(buffer: pickle.PickleBuffer) -> bool:
        view = buffer.raw()
        if view.nbytes >= SMALL:
            buffers.append(bytes(view))
        return view.nbytes < SMALL

    try:
        return pickle.dumps(value, 5, buffer_callback=stays), buffers
    except Exception as error:  # whatever a user's class raises
        raise TypeError(
            f"DataLoader: {what} cannot be sent between processes: {error}; let it be arrays, "
            "numbers and text, or pass threads=True"
        ) from error


def unpickled(message: tuple[Any, list[Any]]) -> Any:
    """The value; its arrays are the memory that was received."""
    data, buffers = message
    return pickle.loads(data, buffers=buffers)


def send(
    step: Callable[[memoryview], int],
    data: bytes,
    buffers: list[bytes],
    look: Callable[[], None] | None = None,
) -> None:
    """Send a message: how many parts it has, their sizes, and the parts."""
    sizes = [each.to_bytes(8, "little") for each in (1 + len(buffers), *map(len, (data, *buffers)))]
    for part in (b"".join((*sizes, data)), *buffers):
        _move(step, memoryview(part), look)


def received(
    end: "socket.socket", look: Callable[[], None] | None = None
) -> tuple[memoryview, list[memoryview]]:
    """A message that `send` sent."""

    def read(size: int) -> memoryview:
        view = np.empty(size, np.uint8).data
        _move(end.recv_into, view, look)
        return view

    parts = int.from_bytes(read(8), "little")
    sizes = read(8 * parts)
    data, *buffers = [
        read(int.from_bytes(sizes[8 * part : 8 * part + 8], "little")) for part in range(parts)
    ]
    return data, buffers


def _move(
    step: Callable[[memoryview], int], view: memoryview, look: Callable[[], None] | None
) -> None:
    """Send or receive all of `view`; `look` is called while nothing moves.

    Errors: OSError if the other side is gone.
    """
    while view:
        try:
            moved = step(view)
        except TimeoutError:
            if look is not None:
                look()
            continue
        if not moved:
            raise BrokenPipeError
        view = view[moved:]
