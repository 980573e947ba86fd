"""An LSTM learns to write like this repository's documentation, character by character.

    python examples/char_lstm.py --out runs/lstm       # after Ctrl-C: the same, --resume
    python examples/char_lstm.py --data my_novel.txt   # another text

An LSTM reads one character after the other.  All that it knows of the text so far is in two
vectors, h and c, so it cannot see ahead, and needs no positions and no mask: compare with
char_gpt.py, whose loop, measure and sample are the same.
"""

import _interrupts  # noqa: F401  # first: from here on, Ctrl-C ends the program in one line
import time

import numpy as np
from _text import bigram_bits, bits_per_character, documentation_or, quoted, random_windows, sample

import nn
from nn import functional as F
from nn import training
from tinygrad_lite import Tensor, capture, no_grad

CONTEXT = 64  # characters in a window
WIDTH = 64  # features of a character
HIDDEN = 192  # features in each of h and c
EPOCHS = 6  # evaluations on the held-out text
STEPS = 200  # training steps before each of them
BATCH_SIZE = 16  # windows in one step
LR = 6e-3  # highest learning rate: it rises for a tenth of the steps, then falls as a cosine
WEIGHT_DECAY = 0.01  # of AdamW
CLIP = 1.0  # largest norm of the gradient
TARGET = 1.4  # bits per character below the bigram model's


class CharLSTM(nn.Module):
    """Scores of the next character at each position: (N, T) -> (N, T, characters)."""

    def __init__(self, characters: int) -> None:
        self.token = nn.Embedding(characters, WIDTH)
        self.lstm = nn.LSTM(WIDTH, HIDDEN, batch_first=True)
        self.scores = nn.Linear(HIDDEN, characters)

    def forward(self, x: Tensor) -> Tensor:
        """The state h after each character, then a score for each that may follow."""
        h, _ = self.lstm(self.token(x))  # at the beginning of a window, h and c are 0
        return self.scores(h)


def main() -> int:
    """Train, judge on the held-out text, write a sample."""
    began = time.perf_counter()
    args = training.arguments(
        __doc__, epochs=(EPOCHS, f"of {STEPS} steps"), seed=(0, "of weights, windows and sample"),
        batch_size=(BATCH_SIZE, "windows in one step"), lr=(LR, "highest learning rate"),
        temperature=(0.8, "of the sample: lower is more careful", (0.01, 100.0)),
        length=(400, "characters in the sample"), capture=False,
        data=(None, "file with another text, in UTF-8"),
        target=(TARGET, "exit status 1 for fewer bits below the bigram model's"),
    )  # fmt: skip
    text = documentation_or(args.data, CONTEXT)
    train, held_out = text.numbers(text.train), text.numbers(text.held_out)
    bigram = bigram_bits(text.train, text.held_out, len(text.alphabet))
    Tensor.manual_seed(args.seed)
    model = CharLSTM(len(text.alphabet))
    adamw = nn.optim.AdamW(model.parameters(), args.lr, weight_decay=WEIGHT_DECAY)
    schedule = nn.optim.schedules.one_cycle(args.lr, args.epochs * STEPS, pct_start=0.1)

    def update(x: Tensor, y: Tensor) -> Tensor:
        loss = F.cross_entropy(model(x).flatten(0, 1), y.flatten())
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), CLIP)
        adamw.step()
        adamw.zero_grad()
        return loss

    @no_grad()
    def scores_of(x: np.ndarray) -> np.ndarray:
        return model(Tensor(x)).numpy()

    train_on = capture(update) if args.capture else update
    # With --resume, the sample may have another temperature and length, but the text is the same.
    options = vars(args) | {"temperature": None, "length": None, "text": text.checksum}
    with training.Report(
        epochs=args.epochs, steps=STEPS, rows=STEPS * args.batch_size * CONTEXT, unit="characters",
        out=args.out, resume=args.resume, quiet=args.quiet,
        kept=["weights.safetensors", "sample.txt", "curves.png"]) as report:  # fmt: skip
        report.resume(options, model=model, adamw=adamw)
        try:
            for epoch in range(report.finished, args.epochs):
                for step in range(report.taken, (epoch + 1) * STEPS):
                    x, y = random_windows(train, args.batch_size, CONTEXT)
                    adamw.lr = schedule(step)
                    loss = train_on(Tensor(x), Tensor(y))
                    report.step(x.size, bits=loss.item() / np.log(2))
                report.epoch(held_out_bits=bits_per_character(scores_of, held_out, CONTEXT))
                report.save()
        except KeyboardInterrupt as stop:
            report.stopped(stop, "this judges the weights as they are")
        bits = bits_per_character(scores_of, held_out, CONTEXT)
        written = sample(scores_of, text, args.length, CONTEXT, args.temperature)
        weights, seconds = model.state_dict(), time.perf_counter() - began
        report.say(f"what it writes, at temperature {args.temperature:g}:\n{quoted(written)}")
        report.keep("weights.safetensors", lambda path: nn.state.safe_save(weights, path))
        report.keep("sample.txt", written)
        report.keep("curves.png", lambda path: training.curves(report.metrics, path))
        below, side = bigram - bits, "above" if bits > bigram else "below"
        report.result(
            f"{text.name}: held-out {bits:.2f} bits per character, {abs(below):.2f} {side} a "
            f"bigram model's {bigram:.2f}, in {seconds:.1f} s"
        )
        return report.status(below, args.target, " bits per character")


if __name__ == "__main__":
    raise SystemExit(training.run(main))
