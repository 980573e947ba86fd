"""Two networks play against each other until one of them draws handwritten digits.

    python examples/gan.py --out runs/gan  # samples.png is in there

The discriminator learns to tell real images from drawn ones; the generator learns to draw images
that the discriminator takes for real.  Both are given the digit that an image shows or has to show.

Notice that each has an optimiser of its own, and where `detach` is: the discriminator's loss is
about drawn images too, but its gradient must not reach the generator, which wants the opposite.

The two losses say little about the images.  So these are judged by what can be learnt from them: a
classifier that has seen nothing but drawn images reads real ones, most of them by writers unknown
to all networks.  A generator that draws the wrong digit, or one shape of each, teaches too little.

Sources: I. Goodfellow and others, Generative Adversarial Networks, 2014; M. Mirza and S. Osindero,
Conditional Generative Adversarial Nets, 2014; S. Ravuri and O. Vinyals, Classification Accuracy
Score for Conditional Generative Models, 2019.
"""

import _interrupts  # noqa: F401  # first: from here on, Ctrl-C ends the program in one line
import time

import numpy as np

import nn
from nn import training
from nn.optim.swa_utils import AveragedModel, get_ema_avg_fn
from tinygrad_lite import Tensor, capture, no_grad

HIDDEN = 128  # units in each of two hidden layers, in all three networks
NOISE = 32  # random numbers from which the generator draws one image
EPOCHS = 20  # an epoch is the steps between two lines with the mean losses
STEPS = 250  # training steps in one epoch
BATCH_SIZE = 64  # real images, and drawn ones, in one step
LR = 1e-3  # learning rate of both networks in the first half; in the second it falls to 0
BETAS = (0.5, 0.99)  # of Adam: a shorter memory than usual, as the opponent changes
DECAY = 0.998  # of the running average of the generator's weights, which draws in the end
JUDGE_STEPS = 1000  # training steps of the classifier, with new images in each
TARGET = 83.0  # percentage of the real test images that the classifier has to read
ONE_HOT = np.eye(10, dtype=np.float32)  # row d stands for the digit d


def mlp(inputs: int, outputs: int) -> nn.Sequential:
    """A network with two hidden layers."""
    first, second, slope = nn.Linear(inputs, HIDDEN), nn.Linear(HIDDEN, HIDDEN), nn.LeakyReLU(0.2)
    return nn.Sequential(first, slope, second, slope, nn.Linear(HIDDEN, outputs))


def draw(generator: nn.Module, digits: Tensor) -> Tensor:
    """Images (N, pixels) from 0 to 1 of digits (N, 10), one-hot, each from new noise."""
    logits: Tensor = generator(Tensor.randn(len(digits), NOISE).cat(digits, axis=1))
    return logits.sigmoid()


def discriminator_loss(real: Tensor, drawn: Tensor) -> Tensor:
    """-log p(real) of real images plus -log(1 - p(real)) of drawn ones, from their logits."""
    return (-real).softplus().mean() + drawn.softplus().mean()


def generator_loss(drawn: Tensor) -> Tensor:
    """-log p(real) of drawn images: steep while the discriminator is sure that they are drawn."""
    return (-drawn).softplus().mean()


def judgement(generator: nn.Module, X: np.ndarray, Y: np.ndarray) -> float:
    """The percentage of real images that a classifier reads which has seen only drawn ones."""
    classifier, digits = mlp(64, 10), np.arange(100) % 10
    adam = nn.optim.Adam(classifier.parameters())
    for _ in range(JUDGE_STEPS):
        with no_grad():
            images = draw(generator, Tensor(ONE_HOT[digits]))
        classifier(images).cross_entropy(digits).backward()
        adam.step()
        adam.zero_grad()
    with no_grad():
        return 100 * float(np.mean(classifier(Tensor(X)).numpy().argmax(axis=1) == Y))


def main() -> int:
    """Train for a fixed number of steps, then judge once."""
    began = time.perf_counter()
    args = training.arguments(
        __doc__, batch_size=(BATCH_SIZE, "real images in one step"), capture=False,
        lr=(LR, "highest learning rate"), epochs=(EPOCHS, f"of {STEPS} steps"),
        without=("data",), target=(TARGET, "exit status 1 below this accuracy on real images"),
    )  # fmt: skip
    images, labels, test_images, Y_test = nn.datasets.digits()
    X, X_test = (each.reshape(-1, 64) / np.float32(16) for each in (images, test_images))
    Tensor.manual_seed(args.seed)
    generator, discriminator = mlp(NOISE + 10, 64), mlp(64 + 10, 1)
    average = AveragedModel(generator, avg_fn=get_ema_avg_fn(DECAY))
    generator_adam = nn.optim.Adam(generator.parameters(), args.lr, BETAS)
    discriminator_adam = nn.optim.Adam(discriminator.parameters(), args.lr, BETAS)
    rows = STEPS * args.batch_size
    order = nn.data.RandomSampler(X, num_samples=rows, seed=args.seed)
    batches = nn.data.DataLoader(X, ONE_HOT[labels], batch_size=args.batch_size, sampler=order)

    def step(real: Tensor, digits: Tensor) -> tuple[Tensor, Tensor]:
        drawn = draw(generator, digits)
        logits_of_real = discriminator(real.cat(digits, axis=1))
        logits_of_drawn = discriminator(drawn.detach().cat(digits, axis=1))
        loss = discriminator_loss(logits_of_real, logits_of_drawn)
        loss.backward()  # ends at `detach`: the generator gets no gradient
        discriminator_adam.step()
        opposed = generator_loss(discriminator(drawn.cat(digits, axis=1)))
        opposed.backward()  # through the discriminator, which gets a gradient too
        generator_adam.step()
        generator_adam.zero_grad()
        discriminator_adam.zero_grad()  # so that it makes no step with that one
        return loss, opposed

    train = capture(step) if args.capture else step
    with training.Report(
        epochs=args.epochs, steps=STEPS, rows=rows, unit="images", name="UCI digits",
        out=args.out, resume=args.resume, quiet=args.quiet,
        kept=["weights.safetensors", "curves.png", "samples.png"],
    ) as report:  # fmt: skip
        networks = {"generator": generator, "discriminator": discriminator, "average": average}
        adams = {"generator_adam": generator_adam, "discriminator_adam": discriminator_adam}
        report.resume(vars(args), **networks, **adams, batches=batches)
        try:
            for _ in range(batches.epoch, args.epochs):
                for real, digits in batches:
                    lr = args.lr * min(1, 2 - 2 * report.taken / (args.epochs * STEPS))
                    generator_adam.lr = discriminator_adam.lr = lr
                    loss, opposed = train(real, digits)
                    average.update_parameters(generator)
                    report.step(
                        len(real), discriminator_loss=loss.item(), generator_loss=opposed.item()
                    )
                report.epoch()
                report.save()
        except KeyboardInterrupt as stop:
            report.stopped(stop, "this judges the weights as they are")
        score = judgement(average, X_test, Y_test)
        with no_grad():  # ten of each digit
            drawn = draw(average, Tensor(ONE_HOT.repeat(10, axis=0))).reshape(-1, 8, 8)
        weights, seconds = average.module.state_dict(), time.perf_counter() - began
        report.keep("weights.safetensors", lambda path: nn.state.safe_save(weights, path))
        report.keep("curves.png", lambda path: training.curves(report.metrics, path))
        report.keep("samples.png", lambda path: training.samples(drawn, path, columns=10))
        said = f"accuracy on real images after learning from drawn ones {score:.2f} %"
        report.result(f"UCI digits: {said} in {seconds:.1f} s")
        return report.status(score, args.target, " %")


if __name__ == "__main__":
    raise SystemExit(training.run(main))
