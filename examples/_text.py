"""What the character-level examples share: text, its windows, a bigram model, sampling."""

from collections import Counter
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple, TypeAlias
from zlib import crc32

import numpy as np
from numpy.typing import NDArray

from nn.training import about
from tinygrad_lite import Tensor, files

Array: TypeAlias = NDArray[np.int64]
Scores: TypeAlias = Callable[[Array], NDArray[np.float32]]  # (N, T) -> (N, T, characters)

ROOT = Path(__file__).resolve().parents[1]
DOCUMENTATION = "README.md", "CHANGELOG.md", "CONTRIBUTING.md", "docs/*.md"
HELD_OUT = 10  # the last tenth of each file is held out
PRIOR = 0.1  # how often the bigram model takes each pair to have been seen before the first one
ROWS = 32  # windows that are scored at once


class Text(NamedTuple):
    """A text in two parts: one to learn from, one to be judged by.

    The alphabet is that of both, so that every character has a number.
    """

    name: str
    train: str
    held_out: str
    alphabet: str

    def numbers(self, characters: str) -> Array:
        """The position of each character in the alphabet."""
        position = {character: number for number, character in enumerate(self.alphabet)}
        return np.array([position[character] for character in characters], np.int64)

    @property
    def checksum(self) -> int:
        """A number by which --resume notices that the text is another one."""
        return crc32(f"{self.train}\0{self.held_out}".encode())


def documentation_or(path: str | None, context: int) -> Text:
    """The text in the file that --data names; without one, the documentation of this repository.

    context: the length of a window, for which both parts have to be long enough.
    """
    name = files.printable(Path(path).name, 60) if path else "this repository's documentation"
    with about("--data"):
        found = [file for pattern in DOCUMENTATION for file in sorted(ROOT.glob(pattern))]
        try:
            texts = [file.read_text("utf-8-sig") for file in ([Path(path)] if path else found)]
        except UnicodeDecodeError as error:
            raise ValueError(f"expected text in UTF-8; got {name}, where {error}") from None
        cuts = [len(text) - len(text) // HELD_OUT for text in texts]
        train = "".join(text[:cut] for text, cut in zip(texts, cuts, strict=True))
        held_out = "".join(text[cut:] for text, cut in zip(texts, cuts, strict=True))
        if len(held_out) <= context:
            least, count = HELD_OUT * (context + 1), sum(map(len, texts))
            raise ValueError(f"expected {least} characters or more; got {count} from {name}")
    return Text(name, train, held_out, "".join(sorted({*train, *held_out})))


def windows(numbers: Array, starts: Array, context: int) -> tuple[Array, Array]:
    """The windows that begin there, (N, context), and at each position the character to predict."""
    found = numbers[starts[:, None] + np.arange(context + 1)]
    return found[:, :-1], found[:, 1:]


def random_windows(numbers: Array, count: int, context: int) -> tuple[Array, Array]:
    """`windows` from anywhere in the text."""
    return windows(numbers, Tensor.randint(count, high=len(numbers) - context).numpy(), context)


def bits_per_character(scores_of: Scores, numbers: Array, context: int) -> float:
    """The mean of -log2(probability) over the text, each character but the first predicted once.

    Windows overlap by half, and what counts is their second half (and the first half of the first
    one), so that half a window or more stands before each prediction, except at the beginning.
    """
    last, half = len(numbers) - 1 - context, context // 2
    starts = np.append(np.arange(0, last, half), last)
    bits = np.empty(len(numbers) - 1)
    for first in range(0, len(starts), ROWS):
        some = starts[first : first + ROWS]
        x, y = windows(numbers, some, context)
        scores = scores_of(x).astype(np.float64)
        true = np.take_along_axis(scores, y[..., None], axis=-1)[..., 0]
        nll = (np.logaddexp.reduce(scores, axis=-1) - true) / np.log(2)
        if first == 0:
            bits[:half] = nll[0, :half]
        bits[some[:, None] + np.arange(half, context)] = nll[:, half:]
    return float(bits.mean())


def bigram_bits(train: str, held_out: str, characters: int) -> float:
    """The same mean for a model that knows the last character only.

    p(b after a) = (times b followed a + PRIOR) / (times a was followed + PRIOR * characters)
    """
    pairs, firsts = Counter(pairwise(train)), Counter(train[:-1])
    p = [(pairs[a, b] + PRIOR) / (firsts[a] + PRIOR * characters) for a, b in pairwise(held_out)]
    return max(0.0, float(-np.log2(p).mean()))  # 0.0, and not -0.0, if p is always 1


def sample(scores_of: Scores, text: Text, length: int, context: int, temperature: float) -> str:
    """Text that the model writes, from the beginning of a line.

    Each character is drawn with its probability, softmax(scores / temperature): below 1, probable
    ones come more often.  If the training diverged, to scores of nan, there is no more to write.
    """
    begin = "\n" if "\n" in text.alphabet else text.alphabet[0]
    numbers = text.numbers(begin)
    for _ in range(length):
        scores = scores_of(numbers[None, -context:])[0, -1]
        if not np.isfinite(scores).all():
            break
        drawn = (Tensor(scores) / temperature).softmax(-1).multinomial()
        numbers = np.append(numbers, drawn.numpy())
    return "".join(text.alphabet[number] for number in numbers[1:])


def quoted(written: str) -> str:
    """Its lines, indented; control characters are shown as escapes."""
    return "\n".join(f"    {files.printable(line, 1000)}" for line in written.splitlines())
