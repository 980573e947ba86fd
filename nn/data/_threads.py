"""A worker of a DataLoader that is a thread."""

from collections.abc import Callable
from contextvars import Context, copy_context
from typing import TYPE_CHECKING, Any

from ._worker import LOOK, Calls, WorkerInfo

if TYPE_CHECKING:
    from queue import SimpleQueue


class ThreadWorker:
    """A thread that answers tasks in the order in which they were sent.

    It works in a copy of the context of whoever sends the task: no_grad and NumPy's error state
    hold there.
    """

    def __init__(
        self,
        info: WorkerInfo,
        fetch: Callable[[Any], Any],
        initialise: Callable[[int], Any] | None,
    ) -> None:
        import threading
        from queue import SimpleQueue

        self.info = info
        self.tasks: SimpleQueue[tuple[Context, Any] | None] = SimpleQueue()
        self.answers: SimpleQueue[tuple[Any, BaseException | None]] = SimpleQueue()
        self.ended: list[bool] = []
        self.hangs = False
        self.thread = threading.Thread(
            target=_serve,
            args=(Calls(info, fetch, initialise), self.tasks, self.answers, self.ended),
            name=f"DataLoader worker {info.id}",
            daemon=True,
        )
        try:
            self.thread.start()
        except RuntimeError as error:
            raise RuntimeError(
                f"DataLoader: worker {info.id} of {info.num_workers} cannot be started ({error}); "
                "use fewer: num_workers="
            ) from error

    def send(self, task: Any) -> None:
        """Send it a task."""
        self.tasks.put((copy_context(), task))

    def receive(self, seconds: float) -> tuple[Any, BaseException | None]:
        """The result of the oldest task, or the error that came instead.

        Errors: TimeoutError after so many seconds without one, unless they are 0.
        """
        from queue import Empty
        from time import monotonic

        deadline = monotonic() + seconds if seconds else float("inf")
        while (left := deadline - monotonic()) > 0:
            try:
                return self.answers.get(timeout=min(LOOK, left))
            except Empty:
                continue
        self.hangs = True
        raise TimeoutError(
            f"DataLoader: worker {self.info.id} gave no batch within timeout={seconds:g} seconds; "
            "timeout=0 waits for ever"
        )

    def leave(self) -> None:
        """Let it end, after the task that it is working on."""
        self.ended.append(True)
        self.tasks.put(None)

    def join(self, seconds: float) -> None:
        """Wait for its end, at most this long."""
        import threading

        # The garbage collector may call this in any thread.
        if not self.hangs and self.thread is not threading.current_thread():
            self.thread.join(seconds)

    def kill(self) -> None:
        """Do nothing: a thread cannot be ended from outside."""


def _serve(
    calls: Calls, tasks: "SimpleQueue[Any]", answers: "SimpleQueue[Any]", ended: list[bool]
) -> None:
    """What the thread runs."""
    while (message := tasks.get()) is not None and not ended:
        context, task = message
        answers.put(context.run(calls.answer, task))
        del message, context, task
