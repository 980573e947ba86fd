"""A small convolutional network with all that a resume must continue: OUT STOP [capture]."""

import os
import sys
import zlib

import numpy as np

import nn
from nn import training
from nn._processes import current
from tinygrad_lite import Tensor, capture, generator

EPOCHS = 2


def noisy(x, y):
    return x + 0.1 * Tensor.randn(*x.shape), y


def main():
    out, stop, captures = sys.argv[1], int(sys.argv[2]), "capture" in sys.argv
    random = np.random.default_rng(5)
    X = random.normal(size=(45, 1, 6, 6)).astype(np.float32)
    Y = random.integers(3, size=45)
    Tensor.manual_seed(4)
    model = nn.Sequential(
        *(nn.Conv2d(1, 4, 3, bias=False), nn.BatchNorm2d(4), nn.ReLU(), nn.Flatten()),
        *(nn.Dropout(0.3), nn.Linear(64, 3)),
    )
    adam = nn.optim.Adam(model.parameters(), 0.01)
    batches = nn.data.DataLoader(X, Y, batch_size=10, shuffle=True, seed=1, transform=noisy)
    adam, batches = nn.distributed.data_parallel(model, adam, batches, chunks=4)

    def update(x, y):
        loss = model(x).cross_entropy(y)
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        adam.step()
        adam.zero_grad()
        return loss

    step = capture(update) if captures else update
    resume = os.path.exists(f"{out}/snapshot.safetensors")
    with training.Report(
        epochs=EPOCHS, steps=len(batches), rows=45, out=out, resume=resume, kept=(), every=2
    ) as report:
        report.resume({}, model=model, adam=adam, batches=batches)
        for _ in range(batches.epoch, EPOCHS):
            for x, y in batches:
                adam.lr = 0.01 / (1 + report.taken)
                report.step(len(y), loss=step(x, y).item())
                if report.taken == stop and current().part.last:
                    report.save()
                    return 0
            report.epoch()
        losses = [each["loss"] for each in report.metrics.records()]
        state = [losses, generator.get_state(), Tensor.rand(1).item()]
        found = zlib.crc32(repr(state).encode())
        for _, tensor in sorted(nn.state.get_state_dict(model).items()):
            found = zlib.crc32(tensor.numpy().tobytes(), found)
        report.result(f"checksum {found}")
        return report.status()


if __name__ == "__main__":
    raise SystemExit(training.run(main))
