"""What the two character models' twins share, as their examples do: the loop, measure and sample.

It is the loop of examples/char_gpt.py and examples/char_lstm.py in PyTorch, eager.
"""

import math
import time

import numpy as np
import torch
from _text import bigram_bits, bits_per_character, documentation_or, quoted, sample, windows
from torch import nn
from torch.nn import functional as F

from tinygrad_lite import Tensor


def train(example, network, args, **options):
    """The recipe of the example, with --seed and --epochs in args; options: of AdamW."""
    began = time.perf_counter()
    context, steps = example.CONTEXT, example.STEPS
    text = documentation_or(None, context)
    train, held_out = text.numbers(text.train), text.numbers(text.held_out)
    bigram = bigram_bits(text.train, text.held_out, len(text.alphabet))
    torch.manual_seed(args.seed)
    Tensor.manual_seed(args.seed)  # of the sample
    rng = np.random.default_rng(args.seed)
    model = network(len(text.alphabet))
    adamw = torch.optim.AdamW(
        model.parameters(), example.LR, weight_decay=example.WEIGHT_DECAY, **options
    )
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        adamw, example.LR, total_steps=args.epochs * steps, pct_start=0.1, cycle_momentum=False
    )

    @torch.no_grad()
    def scores_of(x):
        return model(torch.from_numpy(x)).numpy()

    for epoch in range(args.epochs):
        total = 0.0
        for _ in range(steps):
            starts = rng.integers(0, len(train) - context, example.BATCH_SIZE)
            x, y = (torch.from_numpy(part) for part in windows(train, starts, context))
            loss = F.cross_entropy(model(x).flatten(0, 1), y.flatten())
            adamw.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(model.parameters(), example.CLIP)
            adamw.step()
            schedule.step()
            total += loss.item() / math.log(2)
        bits = bits_per_character(scores_of, held_out, context)
        print(f"epoch {epoch + 1}: bits {total / steps:.4f}, held out bits {bits:.4f}")
    bits = bits_per_character(scores_of, held_out, context)
    print(quoted(sample(scores_of, text, 400, context, 0.8)))
    print(
        f"{text.name}: held-out {bits:.2f} bits per character, {bigram - bits:.2f} below a bigram "
        f"model's {bigram:.2f}, in {time.perf_counter() - began:.1f} s"
    )
