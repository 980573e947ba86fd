"""`Setting`: a context manager that decorates functions of every kind, with or without parentheses.

contextlib's ContextDecorator is for plain functions only: the body of a generator or of an `async
def` runs after the call has returned, and so outside the context.
"""

import inspect
from collections.abc import AsyncGenerator, Callable, Generator
from functools import partial, wraps
from typing import Any, Self, TypeVar, overload

Decorated = TypeVar("Decorated", bound=Callable[..., Any])


class Setting:
    """`with it:`, `with it():`, `@it` and `@it()` all open the context; a subclass says what it is.

    A function that is decorated runs inside the context.  A generator, a coroutine or an
    asynchronous generator is inside while its own body runs, and outside while it is suspended, so
    that it changes nothing for whoever it waits for.
    """

    __slots__ = ()

    name = ""  # what error messages call it

    def __repr__(self) -> str:
        return self.name

    def __enter__(self) -> Self:
        raise NotImplementedError

    def __exit__(self, *_: object) -> None:
        raise NotImplementedError

    @overload
    def __call__(self) -> Self: ...

    @overload
    def __call__(self, function: Decorated) -> Decorated: ...

    def __call__(self, function: Any = None) -> Any:
        """Another one of these contexts; or, given a function, that function inside of one."""
        return type(self)() if function is None else _inside(type(self), function)


def _inside(setting: type[Setting], function: Any) -> Any:
    """The function, whose body runs inside `setting()`."""
    if not callable(function) or isinstance(function, type):
        raise TypeError(
            f"{setting.name}: expected a function to decorate; got {type(function).__name__}; "
            f"write `with {setting.name}:`, or `@{setting.name}` right above a def"
        )
    kind = function  # the function of the user's that decides what a call gives
    while isinstance(kind, partial):
        kind = kind.func
    kind = getattr(kind, "__func__", kind)  # of a method
    if not inspect.isfunction(kind):
        kind = type(kind).__call__
    if inspect.isasyncgenfunction(kind):
        inside: Any = _async_generator(function, setting)
    elif inspect.iscoroutinefunction(kind):

        async def inside(*args: Any, **options: Any) -> Any:
            return await _Steps(function(*args, **options), setting)

    elif inspect.isgeneratorfunction(kind):

        def inside(*args: Any, **options: Any) -> Any:
            return (yield from _Steps(function(*args, **options), setting))

    else:

        def inside(*args: Any, **options: Any) -> Any:
            with setting():
                return function(*args, **options)

    return wraps(function)(inside)


def _async_generator(function: Any, setting: type[Setting]) -> Any:
    """The asynchronous generator function, each step of which runs inside `setting()`."""

    async def inside(*args: Any, **options: Any) -> AsyncGenerator[Any, Any]:
        body = function(*args, **options)
        step = body.asend(None)
        try:
            while True:
                given = await _Steps(step, setting)
                try:
                    step = body.asend((yield given))
                except GeneratorExit:
                    raise
                except BaseException as error:
                    step = body.athrow(error)
        except StopAsyncIteration:
            return
        finally:
            await _Steps(body.aclose(), setting)

    return inside


class _Steps(Generator[Any, Any, Any]):
    """A generator or an awaitable of Python's, each step of which runs inside a context."""

    __slots__ = ("body", "setting")

    def __init__(self, body: Any, setting: type[Setting]) -> None:
        self.body, self.setting = body, setting

    def send(self, value: Any) -> Any:
        """Go on to the next `yield` or `await`, with this value."""
        with self.setting():
            return self.body.send(value)

    def throw(self, kind: Any, value: Any = None, traceback: Any = None) -> Any:
        """Go on with an exception."""
        with self.setting():
            return self.body.throw(kind if value is None else value)

    def close(self) -> None:
        """End it, with what it does then."""
        with self.setting():
            self.body.close()

    def __await__(self) -> Self:
        return self
