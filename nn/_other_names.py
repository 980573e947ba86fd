"""Names of torch.nn for what is called otherwise here: the error says how."""

import sys
from collections.abc import Mapping
from typing import Any, NoReturn


def missing(module: str, name: str, others: Mapping[str, str]) -> AttributeError:
    """The error for a name that a module does not have; it says what to write, if `others` does."""
    hint = f"; here it is {others[name]}" if name in others else ""
    return AttributeError(
        f"module {module!r} has no attribute {name!r}{hint}", name=name, obj=sys.modules[module]
    )


WRITE = {
    "Buffer": "self.register_buffer(name, tensor), in the __init__ of a Module",
    "Container": "Module",
    "CrossMapLRN2d": "LocalResponseNorm(size)",
    "DataParallel": "the model itself, which uses all cores; or nn.distributed for more",
    "NLLLoss2d": "NLLLoss()",
    "RNNBase": "RNN, LSTM or GRU",
    "RNNCellBase": "RNNCell, LSTMCell or GRUCell",
    **{
        f"FractionalMaxPool{rank}d": f"AdaptiveMaxPool{rank}d(size), whose windows are not random"
        for rank in (2, 3)
    },
    "LazyLinear": "Linear(in_features, out_features)",
    **{
        f"Lazy{name}{rank}d": f"{name}{rank}d(in_channels, out_channels, kernel_size)"
        for name in ("Conv", "ConvTranspose")
        for rank in (1, 2, 3)
    },
    **{
        f"Lazy{name}{rank}d": f"{name}{rank}d(num_features)"
        for name in ("BatchNorm", "InstanceNorm")
        for rank in (1, 2, 3)
    },
}  # fmt: skip

# What to write for torch.optim.name.
OPTIM = {
    "lr_scheduler": "nn.optim.schedules, functions of the step: optimizer.lr = schedule(step)",
    "clip_grad_norm_": "nn.utils.clip_grad_norm_",
    "clip_grad_value_": "nn.utils.clip_grad_value_",
    "SparseAdam": "Adam: gradients are dense",
    "Adafactor": "AdamW, or a formula of your own: a subclass of nn.optim.Optimizer",
}

# What to write for torch.optim.lr_scheduler.name.
SCHEDULES = {
    "LRScheduler": "any function of the step: optimizer.lr = schedule(step)",
    "ConstantLR": "constant(lr, factor, steps)",
    "LinearLR": "linear(lr, steps, start_factor, end_factor)",
    "StepLR": "step(lr, step_size, gamma)",
    "MultiStepLR": "multi_step(lr, milestones, gamma)",
    "ExponentialLR": "exponential(lr, gamma)",
    "PolynomialLR": "polynomial(lr, steps, power)",
    "CosineAnnealingLR": "cosine(lr, steps, eta_min)",
    "CosineAnnealingWarmRestarts": "warm_restarts(lr, T_0, T_mult, eta_min)",
    "CyclicLR": "cyclic(base_lr, max_lr, step_size_up)",
    "OneCycleLR": "one_cycle(max_lr, steps), and one_cycle_momentum(steps)",
    "LambdaLR": "scaled(lr, factor), or any function of the step",
    "MultiplicativeLR": "a function of the step: lambda step: lr * gamma**step",
    "SequentialLR": "sequential(schedules, milestones)",
    "ChainedScheduler": "a function of the step: lambda step: first(step) * factor(step)",
    "ReduceLROnPlateau": "reduce_on_plateau(lr, mode, factor, patience)",
    "SWALR": "sequential([cosine(lr, steps, eta_min), constant(eta_min)], [steps])",
}

# What to write for torch.nn.utils.name.
UTILS = {
    "clip_grad_norm": "clip_grad_norm_",
    **dict.fromkeys(
        ("rnn", "pack_padded_sequence", "pad_packed_sequence", "pack_sequence"),
        "an argument of the layer: lstm(x, lengths=[5, 3, 4])",
    ),
    **dict.fromkeys(
        ("weight_norm", "spectral_norm", "parametrize", "parametrizations"),
        "a line in the forward of a Module of your own, which computes the weight",
    ),
    "prune": "a mask, a buffer, that forward multiplies the weight by",
}

# What to write for torch.utils.data.name.
DATA = {
    "IterableDataset": "a data set with __getitem__ and __len__, or a list of the samples",
    "ChainDataset": "ConcatDataset(datasets)",
    "StackDataset": "TensorDataset(X, Y), or an object whose __getitem__ gives a tuple",
    "Sampler": "any iterable of ints with __len__",
    "default_convert": "Tensor(array)",
    "distributed": "sampler=range(rank, len(data), ranks)",
    "DistributedSampler": "sampler=range(rank, len(data), ranks)",
}

# What to write for torchvision.datasets.name.
DATASETS = {
    "MNIST": "mnist()",
    "FashionMNIST": "fashion_mnist()",
    "KMNIST": "kmnist()",
    "CIFAR10": "cifar10()",
    "ImageFolder": "a data set of your own: an object with __getitem__ and __len__",
}

# What to write for torchvision.transforms.name, and for its functional.name.
AUGMENT = {
    "Compose": "a function that calls one after the other",
    "RandomApply": "a choice of rows: x[chosen] = affine(x[chosen], ...)",
    "RandomAffine": "affine(images, degrees, translate, scale, shear)",
    **dict.fromkeys(("RandomRotation", "rotation"), "rotate(images, degrees)"),
    **dict.fromkeys(("RandomCrop", "random_crop"), "crop(images, size, padding)"),
    **dict.fromkeys(("CenterCrop", "center_crop"), "images[:, :, top:bottom, left:right]"),
    **dict.fromkeys(("RandomHorizontalFlip", "hflip"), "flip(images, horizontal=0.5)"),
    **dict.fromkeys(("RandomVerticalFlip", "vflip"), "flip(images, horizontal=0, vertical=0.5)"),
    **dict.fromkeys(("ElasticTransform", "elastic_transform"), "elastic(images, alpha, sigma)"),
    **dict.fromkeys(("RandomErasing", "Cutout", "erase"), "cutout(images, size)"),
    **dict.fromkeys(("Normalize", "normalise"), "normalize(images, mean, std)"),
    **dict.fromkeys(("translate", "translation"), "shift(images, translate)"),
    **dict.fromkeys(("Resize", "resize"), "nn.functional.interpolate"),
    **dict.fromkeys(("ToTensor", "to_tensor"), "Tensor(images) / 255"),
    **dict.fromkeys(("Pad", "pad"), "np.pad, or nn.functional.pad"),
}

# What to write for model.name.
MODULES = {
    **dict.fromkeys(("cuda", "xpu", "share_memory"), "model: everything is computed on the CPU"),
    "bfloat16": "to(np.float16), or float32: NumPy has no bfloat16",
    "type": "to(dtype)",
    "_modules": "dict(model.named_children())",
    "_parameters": "dict(model.named_parameters(recurse=False))",
    "_buffers": "dict(model.named_buffers(recurse=False))",
    "set_submodule": "setattr(model.get_submodule(path), name, module)",
    "compile": "model: it runs as it is",
    "to_empty": "to(dtype)",
    **dict.fromkeys(("get_extra_state", "set_extra_state"), "a buffer: register_buffer"),
    **dict.fromkeys(("register_forward_hook", "register_forward_pre_hook"), "a line in forward"),
    **dict.fromkeys(
        (
            "register_full_backward_hook",
            "register_full_backward_pre_hook",
            "register_backward_hook",
        ),
        "tensor.register_hook(fn), in forward",
    ),
    **dict.fromkeys(
        (
            "register_state_dict_pre_hook",
            "register_state_dict_post_hook",
            "register_load_state_dict_pre_hook",
            "register_load_state_dict_post_hook",
        ),
        "a change of the dict that state_dict gives or load_state_dict takes",
    ),
}


class OtherName:
    """An attribute that is not there; reading it says what to write."""

    def __init__(self, name: str) -> None:
        self.name = name

    def __get__(self, module: Any, kind: type) -> NoReturn:
        raise AttributeError(
            f"{kind.__name__!r} object has no attribute {self.name!r}; "
            f"here it is {MODULES[self.name]}",
            name=self.name,
            obj=module,
        )
