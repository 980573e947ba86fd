"""examples/char_gpt.py in PyTorch, eager: the same text, recipe, measure and last line.

PYTHONPATH=. .venv-torch/bin/python benchmarks/twins/char_gpt.py --seed 0
"""

import argparse
import sys
from pathlib import Path

import torch
from torch import nn
from torch.nn import functional as F

# First, since the twin has the name of its example.
sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "examples"))
import char_gpt as example
from _char_models import train
from char_gpt import BETAS, BLOCKS, CONTEXT, HEADS, WIDTH


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


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--epochs", type=int, default=example.EPOCHS)
    train(example, GPT, parser.parse_args(), betas=BETAS)
