"""examples/char_lstm.py in PyTorch, eager: the same text, recipe, measure and last line.

PYTHONPATH=. .venv-torch/bin/python benchmarks/twins/char_lstm.py --seed 0
"""

import argparse
import math
import sys
import time
from pathlib import Path

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "examples"))
from _text import bigram_bits, bits_per_character, documentation_or, quoted, sample, windows
from char_lstm import BATCH_SIZE, CLIP, CONTEXT, EPOCHS, HIDDEN, LR, STEPS, WEIGHT_DECAY, WIDTH

from tinygrad_lite import Tensor


class CharLSTM(nn.Module):
    def __init__(self, characters):
        super().__init__()
        self.token = nn.Embedding(characters, WIDTH)
        self.lstm = nn.LSTM(WIDTH, HIDDEN, batch_first=True)
        self.scores = nn.Linear(HIDDEN, characters)

    def forward(self, x):
        h, _ = self.lstm(self.token(x))
        return self.scores(h)


def main():
    began = time.perf_counter()
    parser = argparse.ArgumentParser()
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--epochs", type=int, default=EPOCHS)
    args = parser.parse_args()
    text = documentation_or(None, CONTEXT)
    train, held_out = text.numbers(text.train), text.numbers(text.held_out)
    bigram = bigram_bits(text.train, text.held_out, len(text.alphabet))
    torch.manual_seed(args.seed)
    Tensor.manual_seed(args.seed)  # of the sample
    rng = np.random.default_rng(args.seed)
    model = CharLSTM(len(text.alphabet))
    adamw = torch.optim.AdamW(model.parameters(), LR, weight_decay=WEIGHT_DECAY)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        adamw, LR, total_steps=args.epochs * STEPS, pct_start=0.1, cycle_momentum=False
    )

    @torch.no_grad()
    def scores_of(x):
        return model(torch.from_numpy(x)).numpy()

    for epoch in range(args.epochs):
        total = 0.0
        for _ in range(STEPS):
            starts = rng.integers(0, len(train) - CONTEXT, BATCH_SIZE)
            x, y = (torch.from_numpy(part) for part in windows(train, starts, CONTEXT))
            loss = F.cross_entropy(model(x).flatten(0, 1), y.flatten())
            adamw.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(model.parameters(), CLIP)
            adamw.step()
            schedule.step()
            total += loss.item() / math.log(2)
        bits = bits_per_character(scores_of, held_out, CONTEXT)
        print(f"epoch {epoch + 1}: bits {total / STEPS:.4f}, held out bits {bits:.4f}")
    bits = bits_per_character(scores_of, held_out, CONTEXT)
    print(quoted(sample(scores_of, text, 400, CONTEXT, 0.8)))
    print(
        f"{text.name}: held-out {bits:.2f} bits per character, {bigram - bits:.2f} below a bigram "
        f"model's {bigram:.2f}, in {time.perf_counter() - began:.1f} s"
    )


if __name__ == "__main__":
    main()
