"""Schedules, formulas in the step, beside PyTorch's schedulers, which change the last rate."""

import pytest

from nn.optim import schedules

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.parity

lr_scheduler = torch.optim.lr_scheduler
STEPS = 400


def trace(make, steps=STEPS, lr=0.1):
    """The rates and momenta that PyTorch's scheduler sets."""
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=lr, momentum=0.5)
    optimizer.step()
    scheduler = make(optimizer)
    found = []
    for step in range(steps):
        if step:
            scheduler.step()
        group = optimizer.param_groups[0]
        found.append((group["lr"], group["momentum"]))
    return found


def rates(make, steps=STEPS):
    return [rate for rate, _ in trace(make, steps)]


def theirs(name, **options):
    return lambda optimizer: getattr(lr_scheduler, name)(optimizer, **options)


CASES = {
    **{
        f"constant {factor} {steps}": (
            schedules.constant(0.1, factor, steps),
            theirs("ConstantLR", factor=factor, total_iters=steps),
        )
        for factor, steps in [(1 / 3, 5), (0.5, 40), (1.0, 7), (0.25, 1)]
    },
    **{
        f"linear {start} {end} {steps}": (
            schedules.linear(0.1, steps, start, end),
            theirs("LinearLR", start_factor=start, end_factor=end, total_iters=steps),
        )
        for start, end, steps in [(1 / 3, 1, 5), (0.01, 1, 100), (1, 0, 300), (0.5, 0.5, 9)]
    },
    **{
        f"step {size} {gamma}": (
            schedules.step(0.1, size, gamma),
            theirs("StepLR", step_size=size, gamma=gamma),
        )
        for size, gamma in [(30, 0.1), (1, 0.97), (7, 1.1), (100, 0.5), (1000, 0.1)]
    },
    **{
        f"multi_step {milestones} {gamma}": (
            schedules.multi_step(0.1, milestones, gamma),
            theirs("MultiStepLR", milestones=milestones, gamma=gamma),
        )
        for milestones, gamma in [
            ([30, 80], 0.1),
            ([80, 30], 0.1),
            ([5, 5, 90], 0.5),
            ([1, 2, 3], 0.9),
            ([], 0.1),
        ]
    },
    **{
        f"exponential {gamma}": (
            schedules.exponential(0.1, gamma),
            theirs("ExponentialLR", gamma=gamma),
        )
        for gamma in (0.99, 0.9, 1.01, 1.0)
    },
    **{
        f"polynomial {steps} {power}": (
            schedules.polynomial(0.1, steps, power),
            theirs("PolynomialLR", total_iters=steps, power=power),
        )
        for steps, power in [(5, 1), (300, 1), (300, 2), (300, 0.5), (1000, 3)]
    },
    **{
        f"cosine {steps} {eta_min}": (
            schedules.cosine(0.1, steps, eta_min),
            theirs("CosineAnnealingLR", T_max=steps, eta_min=eta_min),
        )
        for steps, eta_min in [(399, 0), (100, 0), (100, 0.01), (37, 0.2), (1, 0), (2, 0.05)]
    },
    **{
        f"warm_restarts {first} {multiple} {eta_min}": (
            schedules.warm_restarts(0.1, first, multiple, eta_min),
            theirs("CosineAnnealingWarmRestarts", T_0=first, T_mult=multiple, eta_min=eta_min),
        )
        for first, multiple, eta_min in [(10, 1, 0), (10, 2, 0.01), (1, 3, 0), (50, 1, 0.2)]
    },
    **{
        f"cyclic {name}": (
            schedules.cyclic(0.01, 0.1, **options),
            theirs("CyclicLR", base_lr=0.01, max_lr=0.1, **options),
        )
        for name, options in {
            "up": {"step_size_up": 20},
            "up and down": {"step_size_up": 20, "step_size_down": 7},
            "triangular2": {"step_size_up": 5, "step_size_down": 31, "mode": "triangular2"},
            "exp_range": {"step_size_up": 20, "mode": "exp_range", "gamma": 0.99},
            "scaled": {"step_size_up": 8, "scale_fn": lambda x: 1 / x},
            "scaled by iterations": {
                **{"step_size_up": 8, "scale_mode": "iterations"},
                "scale_fn": lambda x: 0.99**x,
            },
        }.items()
    },
    "scaled": (
        schedules.scaled(0.1, lambda step: 1 / (1 + step)),
        theirs("LambdaLR", lr_lambda=lambda step: 1 / (1 + step)),
    ),
    "sequential": (
        schedules.sequential(
            [
                schedules.linear(0.1, 10),
                schedules.constant(0.1, 0.5, 3),
                schedules.exponential(0.1, 0.99),
            ],
            [10, 50],
        ),
        lambda optimizer: lr_scheduler.SequentialLR(
            optimizer,
            [
                lr_scheduler.LinearLR(optimizer, total_iters=10),
                lr_scheduler.ConstantLR(optimizer, 0.5, 3),
                lr_scheduler.ExponentialLR(optimizer, 0.99),
            ],
            [10, 50],
        ),
    ),
}


@pytest.mark.filterwarnings("ignore:.*lr_scheduler.step")
@pytest.mark.parametrize(("ours", "make"), CASES.values(), ids=CASES)
def test_rates_agree(ours, make):
    expected = rates(make)
    assert [ours(step) for step in range(STEPS)] == pytest.approx(expected, rel=1e-11, abs=1e-16)


ONE_CYCLES = [
    {},
    {"pct_start": 0.5, "anneal_strategy": "linear"},
    {"pct_start": 0.25, "div_factor": 10.0, "final_div_factor": 50.0},
    {"three_phase": True},
    {"three_phase": True, "anneal_strategy": "linear", "pct_start": 0.4},
    {"pct_start": 0.0},
    {"pct_start": 1.0},
]


@pytest.mark.filterwarnings("ignore:.*lr_scheduler.step")
@pytest.mark.parametrize("steps", [10, 101, 400])
@pytest.mark.parametrize("options", ONE_CYCLES)
def test_one_cycle_agrees_in_rate_and_momentum(options, steps):
    expected = trace(theirs("OneCycleLR", max_lr=0.1, total_steps=steps, **options), steps)
    ours = schedules.one_cycle(0.1, steps, **options)
    shared = {
        key: value
        for key, value in options.items()
        if key in ("pct_start", "anneal_strategy", "three_phase")
    }
    momentum = schedules.one_cycle_momentum(steps, **shared)
    found = [(ours(step), momentum(step)) for step in range(steps)]
    for a, b in zip(found, expected, strict=True):
        assert a == pytest.approx(b, rel=1e-12)


@pytest.mark.filterwarnings("ignore:.*lr_scheduler.step")
@pytest.mark.parametrize("mode", ["triangular", "triangular2", "exp_range"])
def test_the_momentum_of_a_cycle_is_the_same_triangle_upside_down(mode):
    expected = trace(
        theirs("CyclicLR", base_lr=0.01, max_lr=0.1, step_size_up=20, mode=mode, gamma=0.98)
    )
    momentum = schedules.cyclic(0.9, 0.8, step_size_up=20, mode=mode, gamma=0.98)
    assert [momentum(step) for step in range(STEPS)] == pytest.approx(
        [each for _, each in expected], rel=1e-11
    )


@pytest.mark.parametrize("mode", ["min", "max"])
@pytest.mark.parametrize("threshold_mode", ["rel", "abs"])
@pytest.mark.parametrize(
    "options",
    [
        {},
        {"patience": 0, "factor": 0.5},
        {"patience": 3, "cooldown": 4, "min_lr": 0.001},
        {"patience": 2, "threshold": 0.2, "eps": 1e-3},
        {"patience": 0, "cooldown": 1, "factor": 0.9, "threshold": 0.0},
    ],
)
def test_reduce_on_plateau_agrees(mode, threshold_mode, options):
    generator = torch.Generator().manual_seed(3)
    results = torch.rand(STEPS, generator=generator).sub(0.3).tolist()
    results[50] = float("nan")
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=0.1)
    scheduler = lr_scheduler.ReduceLROnPlateau(
        optimizer, mode=mode, threshold_mode=threshold_mode, **options
    )
    ours = schedules.reduce_on_plateau(0.1, mode=mode, threshold_mode=threshold_mode, **options)
    reduced = set()
    for result in results:
        scheduler.step(result)
        assert ours(result) == optimizer.param_groups[0]["lr"]
        reduced.add(ours.lr)
    assert len(reduced) > 1
