"""What this process has begun to exchange, and not finished: the others wait for the rest of it.

After an error in the middle of an exchange, a program that catches the error must not go on to
another one: nobody would ever send what the others wait for.
"""

from inspect import currentframe
from types import CodeType, FrameType

from tinygrad_lite import Tensor, capture

# A backward pass runs in a call of one of these: the second is that of a captured step.
PASSES: tuple[CodeType, ...] = (
    Tensor.backward.__code__,
    type(capture(lambda: None)).__call__.__code__,
)


class Unfinished:
    """The exchanges that began and have not ended, by whose they are."""

    def __init__(self) -> None:
        self.begun: dict[object, tuple[str, FrameType | None]] = {}

    def begin(self, owner: object, what: str) -> None:
        """From now on, until its `end`, nothing else may be exchanged."""
        self.begun[owner] = what, None

    def begin_in_pass(self, owner: object, what: str) -> None:
        """The same, but until the backward pass that runs has ended, anything may."""
        frame = running()
        if frame is not None:
            self.begun[owner] = what, frame

    def end(self, owner: object) -> None:
        """The exchange is complete."""
        self.begun.pop(owner, None)

    def lost(self) -> str | None:
        """What an error has ended, so that the others wait for the rest of it for ever."""
        for what, frame in self.begun.values():
            if frame is None or not runs(frame):
                return what
        return None


def running() -> FrameType | None:
    """The call in which a backward pass runs at the moment."""
    frame: FrameType | None = currentframe()
    while frame is not None and frame.f_code not in PASSES:
        frame = frame.f_back
    return frame


def runs(call: FrameType) -> bool:
    """Whether this call has not returned, in this thread."""
    frame: FrameType | None = currentframe()
    while frame is not None and frame is not call:
        frame = frame.f_back
    return frame is not None
