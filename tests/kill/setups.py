"""What is trained with what: every optimiser, and beside it a schedule, workers and so on."""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

import nn
from nn import optim
from nn.data import DataLoader, WeightedRandomSampler
from nn.optim import Optimizer, schedules


class Setup(NamedTuple):
    """One configuration of the training; what is not named is as in most of them."""

    kind: type[Optimizer]
    options: dict[str, Any]
    plateau: bool = False  # the rate follows the validation loss; otherwise it is a cosine
    average: bool = False  # an AveragedModel beside the model
    workers: int = 0
    threads: bool = False  # the workers are threads, otherwise processes
    persistent: bool = False
    seed: int | None = 7  # of the loader; None: its orders follow from Tensor.manual_seed
    weighted: bool = False  # a sampler with a generator of its own gives the order
    samples: bool = False  # the loader has a data set of single samples, otherwise arrays
    drop_last: bool = False
    hidden: int = 24
    blas_threads: int = 1

    def optimizers(self, model: nn.Module) -> dict[str, Optimizer]:
        """By the names that they have in the snapshot; Muon trains the matrices only."""
        parameters = list(model.parameters())
        if self.kind is not optim.Muon:
            return {"optimizer": self.kind(parameters, **self.options)}
        matrices = [each for each in parameters if each.ndim == 2]
        others = [each for each in parameters if each.ndim != 2]
        return {
            "optimizer": optim.Muon(matrices, **self.options),
            "others": optim.AdamW(others, lr=self.options["lr"]),
        }

    def loader(self, images: np.ndarray, labels: np.ndarray, **options: Any) -> DataLoader:
        """A loader of these images and labels."""
        data = [list(zip(images, labels, strict=True))] if self.samples else [images, labels]
        sampler = None
        if self.weighted:
            weights = np.arange(1, len(labels) + 1)
            sampler = WeightedRandomSampler(weights, len(labels), seed=self.seed)
        return DataLoader(
            *data,
            shuffle=not self.weighted,
            sampler=sampler,
            seed=self.seed,
            drop_last=self.drop_last,
            num_workers=self.workers,
            threads=self.threads,
            persistent_workers=self.persistent,
            **options,
        )

    def schedule(self, steps: int) -> Callable[[Any], float]:
        lr = self.options["lr"]
        if self.plateau:
            return schedules.reduce_on_plateau(lr, factor=0.5, patience=0, threshold=0.05)
        return schedules.cosine(lr, steps)


SETUPS = {
    "sgd": Setup(optim.SGD, {"lr": 0.05, "momentum": 0.9, "nesterov": True}, average=True),
    "sgd_two_blas_threads": Setup(
        optim.SGD, {"lr": 0.02, "momentum": 0.9}, hidden=2048, blas_threads=2
    ),
    "asgd": Setup(optim.ASGD, {"lr": 0.05, "t0": 5.0, "weight_decay": 0.01}, plateau=True),
    "adam": Setup(optim.Adam, {"lr": 0.01, "amsgrad": True}, workers=2, threads=True),
    "adamw": Setup(optim.AdamW, {"lr": 0.01}, average=True, seed=None),
    "adamax": Setup(optim.Adamax, {"lr": 0.01}, drop_last=True),
    "nadam": Setup(optim.NAdam, {"lr": 0.01}, plateau=True, average=True, drop_last=True),
    "radam": Setup(optim.RAdam, {"lr": 0.02}, average=True),
    "rmsprop": Setup(
        optim.RMSprop, {"lr": 0.003, "momentum": 0.8, "centered": True}, workers=1, persistent=True
    ),
    "adagrad": Setup(optim.Adagrad, {"lr": 0.05, "lr_decay": 0.01}, weighted=True),
    "adadelta": Setup(optim.Adadelta, {"lr": 1.0}, plateau=True),
    "lion": Setup(optim.Lion, {"lr": 0.002}, workers=1, threads=True, seed=None, weighted=True),
    "rprop": Setup(optim.Rprop, {"lr": 0.005}, average=True),
    "lars": Setup(optim.LARS, {"lr": 2.0}, plateau=True, samples=True),
    "lamb": Setup(optim.LAMB, {"lr": 0.02}, workers=2, seed=None),
    "muon": Setup(optim.Muon, {"lr": 0.02}, average=True),
    "lbfgs": Setup(
        optim.LBFGS,
        {"lr": 0.5, "max_iter": 3, "history_size": 4, "line_search_fn": "strong_wolfe"},
    ),
}
