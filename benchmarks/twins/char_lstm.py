"""examples/char_lstm.py in PyTorch, eager: the same text, recipe, measure and last line.

PYTHONPATH=. .venv-torch/bin/python benchmarks/twins/char_lstm.py --seed 0
"""

import argparse
import sys
from pathlib import Path

from torch import nn

# First, since the twin has the name of its example.
sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "examples"))
import char_lstm as example
from _char_models import train
from char_lstm import HIDDEN, WIDTH


class CharLSTM(nn.Module):
    def __init__(self, characters):
        super().__init__()
        self.token = nn.Embedding(characters, WIDTH)
        self.lstm = nn.LSTM(WIDTH, HIDDEN, batch_first=True)
        self.scores = nn.Linear(HIDDEN, characters)

    def forward(self, x):
        h, _ = self.lstm(self.token(x))
        return self.scores(h)


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--epochs", type=int, default=example.EPOCHS)
    train(example, CharLSTM, parser.parse_args())
