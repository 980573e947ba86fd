"""A small transformer learns to write like this repository's documentation, character by character.

    python examples/char_gpt.py --out runs/gpt        # after Ctrl-C: the same, --resume
    python examples/char_gpt.py --data my_novel.txt   # another text

Every position predicts the character after it, from itself and those before: `is_causal` in the
attention is all that keeps the answer hidden.  The measure is bits per character on text that was
held out, beside those of a bigram model, which looks at one character only.
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
WIDTH = 128  # features of each position
HEADS = 4  # of the attention in a block, each with its share of the features
BLOCKS = 2  # blocks, one after the other
EPOCHS = 7  # evaluations on the held-out text
STEPS = 200  # training steps before each of them
BATCH_SIZE = 8  # windows in one step
LR = 3e-3  # highest learning rate: it rises for a tenth of the steps, then falls as a cosine
BETAS = 0.9, 0.99  # of AdamW: how much of the mean gradient and mean square a step keeps
WEIGHT_DECAY = 0.1  # of AdamW
CLIP = 1.0  # largest norm of the gradient
TARGET = 1.4  # bits per character below the bigram model's


class Block(nn.Module):
    """x + out(attention(norm(x))), then x + mlp(norm(x)).  (N, T, width) -> the same shape."""

    def __init__(self, width: int, heads: int) -> None:
        self.heads = heads
        self.norm1 = nn.LayerNorm(width)
        self.qkv = nn.Linear(width, 3 * width)
        self.out = nn.Linear(width, width)
        self.norm2 = nn.LayerNorm(width)
        self.mlp = nn.Sequential(
            nn.Linear(width, 4 * width), nn.GELU(), nn.Linear(4 * width, width)
        )

    def attention(self, x: Tensor) -> Tensor:
        """For each position, the sum of v up to there, weighted by softmax(q k / sqrt(size))."""
        N, T, width = x.shape
        qkv = self.qkv(x).reshape(N, T, 3, self.heads, width // self.heads)
        q, k, v = qkv.permute(2, 0, 3, 1, 4)  # each (N, heads, T, size)
        y = F.scaled_dot_product_attention(q, k, v, is_causal=True)
        return y.transpose(1, 2).reshape(N, T, width)

    def forward(self, x: Tensor) -> Tensor:
        """Attention mixes the positions; the MLP changes each by itself."""
        x = x + self.out(self.attention(self.norm1(x)))
        x = x + self.mlp(self.norm2(x))
        return x


class GPT(nn.Module):
    """Scores of the next character at each position: (N, T) -> (N, T, characters)."""

    def __init__(self, characters: int) -> None:
        self.token = nn.Embedding(characters, WIDTH)
        self.position = nn.Embedding(CONTEXT, WIDTH)
        for table in (self.token, self.position):
            nn.init.normal_(table.weight, std=0.2)  # small, so that the blocks count early
        self.blocks = nn.Sequential(*[Block(WIDTH, HEADS) for _ in range(BLOCKS)])
        self.norm = nn.LayerNorm(WIDTH)
        self.scores = nn.Linear(WIDTH, characters)

    def forward(self, x: Tensor) -> Tensor:
        """Embed each character and its position, then the blocks, then the scores."""
        x = self.token(x) + self.position(np.arange(x.shape[1]))
        return self.scores(self.norm(self.blocks(x)))


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
    model = GPT(len(text.alphabet))
    adamw = nn.optim.AdamW(model.parameters(), args.lr, BETAS, weight_decay=WEIGHT_DECAY)
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
