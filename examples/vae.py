"""A variational auto-encoder learns how handwritten digits are distributed, and draws new ones.

    python examples/vae.py --out runs/vae  # samples.png and reconstructions.png are in there

The encoder gives a normal distribution q(z | x) of positions of an image in the latent space; the
decoder says how likely the image is at one of them.  The loss is -ELBO, an upper bound of the nats
that the image costs:

    -log p(x) <= -log p(x | z) + KL(q(z | x) || p(z)),  z drawn from q(z | x),  p(z) = N(0, 1)

Notice how z is drawn: as a function of mean, deviation and independent noise, so that the gradient
of -log p(x | z) reaches the encoder, though z is random.  And p(x | z) is the probability of the
data as they are: a pixel of the UCI digits counts the ink among 4x4 dots.

Source: D. Kingma and M. Welling, Auto-Encoding Variational Bayes, ICLR 2014.
"""

import _interrupts  # noqa: F401  # first: from here on, Ctrl-C ends the program in one line
import math
import time

import numpy as np

import nn
from nn import training
from tinygrad_lite import Tensor, capture, no_grad

DOTS = 16  # that a pixel of the UCI digits counts
HELD_OUT = 297  # images, drawn at random: by the same writers as those it learns from
HIDDEN = 256  # units in each of two hidden layers, in the encoder and in the decoder
LATENT = 16  # axes of the latent space
EPOCHS = 20  # evaluations on the held-out images, which choose nothing
STEPS = 250  # training steps before each of them
BATCH_SIZE = 100  # images in one step
LR = 1e-3  # highest learning rate, after a twentieth of the steps; it falls in the second half
WEIGHT_DECAY = 0.3  # of AdamW; so much because the images are few
DRAWS = 10  # positions z drawn for each held-out image
TARGET = 92.0  # nats that a held-out image may cost


class VAE(nn.Module):
    """An encoder, x -> mean and log deviation of z, and a decoder, z -> logits of ink."""

    def __init__(self, pixels: int) -> None:
        self.encoder = mlp(pixels, 2 * LATENT)
        self.decoder = mlp(LATENT, pixels)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """x (N, pixels) from 0 to 1 -> logits (N, pixels); mean, log deviation (N, LATENT)."""
        mean, log_deviation = self.encoder(x).chunk(2, axis=1)
        z = mean + log_deviation.exp() * Tensor.randn(mean.shape)  # the reparameterisation
        return self.decoder(z), mean, log_deviation


def mlp(inputs: int, outputs: int) -> nn.Sequential:
    """A network with two hidden layers."""
    first, second = nn.Linear(inputs, HIDDEN), nn.Linear(HIDDEN, HIDDEN)
    return nn.Sequential(first, nn.ReLU(), second, nn.ReLU(), nn.Linear(HIDDEN, outputs))


def log_ways(X: np.ndarray) -> np.ndarray:
    """log of the number of ways to place the ink of each image: the sum of log C(DOTS, x)."""
    table = np.array([math.log(math.comb(DOTS, ink)) for ink in range(DOTS + 1)], np.float32)
    return np.asarray(table[X.astype(np.int64)].sum(axis=1))


def negative_elbo(model: VAE, x: Tensor, ways: Tensor) -> tuple[Tensor, Tensor]:
    """-log p(x | z) and the KL divergence of each image, (N,), in nats.  x: counts (N, pixels).

    -log p(x | z) = -log C(DOTS, x) - x log p - (DOTS - x) log(1 - p),  summed over pixels
    KL = (mean^2 + deviation^2 - 1) / 2 - log deviation,  summed over the axes of z
    """
    logits, mean, log_deviation = model(x / DOTS)
    of_a_dot = logits.binary_crossentropy_logits(x / DOTS, "none")  # the mean over a pixel's dots
    kl = 0.5 * (mean.square() + (2 * log_deviation).exp() - 1) - log_deviation
    return DOTS * of_a_dot.sum(axis=1) - ways, kl.sum(axis=1)


@no_grad()
def held_out_nats(model: VAE, X: np.ndarray) -> float:
    """-ELBO per image: the mean over all images, and over DRAWS positions z for each."""
    x, ways = Tensor(X), Tensor(log_ways(X))
    draws = [negative_elbo(model, x, ways) for _ in range(DRAWS)]
    return float(np.mean([(ink + kl).numpy() for ink, kl in draws]))


def main() -> int:
    """Train for a fixed number of steps; then draw, and reconstruct held-out images."""
    began = time.perf_counter()
    args = training.arguments(
        __doc__, without=("data",), batch_size=(BATCH_SIZE, "images in one step"), capture=False,
        lr=(LR, "highest learning rate"), epochs=(EPOCHS, f"of {STEPS} steps"),
        target=(TARGET, "exit status 1 above this many nats per held-out image"),
    )  # fmt: skip
    images, _, others, _ = nn.datasets.digits()
    whole = np.concatenate([images, others]).reshape(-1, 64).astype(np.float32)
    X, X_held_out = nn.data.train_test_split(whole, test_size=HELD_OUT, seed=1)
    Tensor.manual_seed(args.seed)
    model = VAE(X.shape[1])
    adam = nn.optim.AdamW(model.parameters(), args.lr, weight_decay=WEIGHT_DECAY)
    rows = STEPS * args.batch_size
    order = nn.data.RandomSampler(X, num_samples=rows, seed=args.seed)
    batches = nn.data.DataLoader(X, log_ways(X), batch_size=args.batch_size, sampler=order)

    def step(x: Tensor, ways: Tensor) -> tuple[Tensor, Tensor]:
        ink, kl = (each.mean() for each in negative_elbo(model, x, ways))
        loss = ink + kl
        loss.backward()
        adam.step()
        adam.zero_grad()
        return loss, kl

    train = capture(step) if args.capture else step
    with training.Report(
        epochs=args.epochs, steps=STEPS, rows=rows, unit="images", name="UCI digits",
        out=args.out, resume=args.resume, quiet=args.quiet,
        kept=["weights.safetensors", "curves.png", "samples.png", "reconstructions.png"],
    ) as report:  # fmt: skip
        report.resume(vars(args), model=model, adam=adam, batches=batches)
        try:
            for _ in range(batches.epoch, args.epochs):
                for x, ways in batches:
                    done = (report.taken + 1) / (args.epochs * STEPS)
                    adam.lr = args.lr * min(1, 20 * done, 2.01 - 2 * done)
                    loss, kl = train(x, ways)
                    report.step(len(x), loss=loss.item(), kl=kl.item())
                report.epoch(held_out_loss=held_out_nats(model, X_held_out))
                report.save()
        except KeyboardInterrupt as stop:
            report.stopped(stop, "this judges the weights as they are")
        nats = held_out_nats(model, X_held_out)
        with no_grad():
            drawn = model.decoder(Tensor.randn(100, LATENT)).sigmoid().reshape(-1, 8, 8)
            x = Tensor(X_held_out[:10] / DOTS)
            pairs = x.cat(model(x)[0].sigmoid()).reshape(-1, 8, 8)
        weights, seconds = model.state_dict(), time.perf_counter() - began
        report.keep("weights.safetensors", lambda path: nn.state.safe_save(weights, path))
        report.keep("curves.png", lambda path: training.curves(report.metrics, path))
        report.keep("samples.png", lambda path: training.samples(drawn, path))
        report.keep("reconstructions.png", lambda path: training.samples(
            pairs, path, columns=10, title="held out; below: reconstructed"))  # fmt: skip
        report.result(f"UCI digits: held-out nats per image {nats:.2f} in {seconds:.1f} s")
        return report.status(nats, args.target, " nats per image", lower_is_better=True)


if __name__ == "__main__":
    raise SystemExit(training.run(main))
