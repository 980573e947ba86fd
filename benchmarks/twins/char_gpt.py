"""examples/char_gpt.py in PyTorch, eager: the same text, recipe, measure and last line.

PYTHONPATH=. .venv-torch/bin/python benchmarks/twins/char_gpt.py --seed 0
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
from char_gpt import (
    BATCH_SIZE,
    BETAS,
    BLOCKS,
    CLIP,
    CONTEXT,
    EPOCHS,
    HEADS,
    LR,
    STEPS,
    WEIGHT_DECAY,
    WIDTH,
)

from tinygrad_lite import Tensor


class Block(nn.Module):
    def __init__(self, width, heads):
        super().__init__()
        self.heads = heads
        self.norm1 = nn.LayerNorm(width)
        self.qkv = nn.Linear(width, 3 * width)
        self.out = nn.Linear(width, width)
        self.norm2 = nn.LayerNorm(width)
        self.mlp = nn.Sequential(
            nn.Linear(width, 4 * width), nn.GELU(), nn.Linear(4 * width, width)
        )

    def attention(self, x):
        N, T, width = x.shape
        qkv = self.qkv(x).reshape(N, T, 3, self.heads, width // self.heads)
        q, k, v = qkv.permute(2, 0, 3, 1, 4)
        y = F.scaled_dot_product_attention(q, k, v, is_causal=True)
        return y.transpose(1, 2).reshape(N, T, width)

    def forward(self, x):
        x = x + self.out(self.attention(self.norm1(x)))
        return x + self.mlp(self.norm2(x))


class GPT(nn.Module):
    def __init__(self, characters):
        super().__init__()
        self.token = nn.Embedding(characters, WIDTH)
        self.position = nn.Embedding(CONTEXT, WIDTH)
        for table in (self.token, self.position):
            nn.init.normal_(table.weight, std=0.2)
        self.blocks = nn.Sequential(*[Block(WIDTH, HEADS) for _ in range(BLOCKS)])
        self.norm = nn.LayerNorm(WIDTH)
        self.scores = nn.Linear(WIDTH, characters)

    def forward(self, x):
        x = self.token(x) + self.position(torch.arange(x.shape[1]))
        return self.scores(self.norm(self.blocks(x)))


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
    model = GPT(len(text.alphabet))
    adamw = torch.optim.AdamW(model.parameters(), LR, BETAS, weight_decay=WEIGHT_DECAY)
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
