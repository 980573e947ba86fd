"""eval() forgotten while testing under no_grad, and all that looks like it."""

import copy

import numpy as np
import pytest

import nn
from nn.optim.swa_utils import AveragedModel, update_bn
from tinygrad_lite import Tensor, TrainingWarning, capture, checkpoint, no_grad

X = Tensor(np.random.default_rng(0).standard_normal((16, 3)).astype(np.float32))
TOLD = pytest.warns(TrainingWarning, match="as in training, though under no_grad and after")


def network(*inside):
    return nn.Sequential(nn.Linear(3, 4), *(inside or (nn.Dropout(),)), nn.Linear(4, 1))


class Trained:
    """A model, and an optimiser that made some steps."""

    def __init__(self, *inside, steps=10):
        self.model = network(*inside)
        self.optimizer = nn.optim.SGD(self.model.parameters(), lr=0.01)
        self.train(steps)

    def train(self, steps=10, x=X):
        for _ in range(steps):
            self.optimizer.zero_grad()
            self.model(x).square().mean().backward()
            self.optimizer.step()


class Image(nn.Module):
    """(N, 4) as images or volumes with 4 channels, or a sequence, for the layer inside."""

    def __init__(self, layer, axes):
        self.layer, self.axes = layer, axes

    def forward(self, x):
        shape = (len(x), 1, 4) if self.axes is None else (*x.shape, *(1,) * self.axes)
        return self.layer(x.reshape(*shape)).reshape(x.shape)


class First(nn.Module):
    """The first result of a layer of sequences, which gets its input several times."""

    def __init__(self, layer, times=1):
        self.layer, self.times = layer, times

    def forward(self, x):
        return self.layer(*(x.unsqueeze(1),) * self.times)[0].squeeze(1)


INSIDE = {
    "Dropout": lambda: nn.Dropout(0.3),
    "Dropout1d": lambda: Image(nn.Dropout1d(0.3), 1),
    "Dropout2d": lambda: Image(nn.Dropout2d(0.3), 2),
    "Dropout3d": lambda: Image(nn.Dropout3d(0.3), 3),
    "AlphaDropout": lambda: nn.AlphaDropout(0.3),
    "FeatureAlphaDropout": lambda: nn.FeatureAlphaDropout(0.3),
    "LSTM": lambda: First(nn.LSTM(4, 4, num_layers=2, dropout=0.3)),
    "GRU": lambda: First(nn.GRU(4, 4, num_layers=2, dropout=0.3)),
    "MultiheadAttention": lambda: First(nn.MultiheadAttention(4, 2, dropout=0.3), 3),
    "TransformerEncoderLayer": lambda: Image(nn.TransformerEncoderLayer(4, 2, 8, 0.3), None),
    "BatchNorm1d": lambda: nn.BatchNorm1d(4),
    "BatchNorm2d": lambda: Image(nn.BatchNorm2d(4), 2),
    "BatchNorm3d": lambda: Image(nn.BatchNorm3d(4), 3),
}


@pytest.mark.parametrize(("kind", "make"), INSIDE.items(), ids=INSIDE)
def test_a_test_without_eval(kind, make):
    model = Trained(make()).model
    with TOLD as seen, no_grad():
        model(X)
    assert [each.filename for each in seen] == [__file__]
    inside = {"TransformerEncoderLayer": "MultiheadAttention"}.get(kind, kind)
    assert str(seen[0].message).startswith(f"Sequential: its {inside} ")


def test_what_it_says():
    model = Trained().model
    with TOLD as seen, no_grad():
        model(X)
    assert str(seen[0].message) == (
        "Sequential: its Dropout drops elements as in training, though under no_grad and after 10 "
        "steps; call eval() before a test, and train() after it; where this is meant, call train() "
        "just before"
    )


def test_an_error_of_it_comes_before_anything_changes():
    model = Trained(nn.BatchNorm1d(4)).model
    before = [buffer.data.copy() for buffer in model.buffers()]
    with no_grad(), pytest.raises(TrainingWarning):
        model(X)
    assert all(map(np.array_equal, before, [buffer.data for buffer in model.buffers()]))


def test_it_is_told_once_at_the_line_that_calls_the_model():
    class Net(nn.Module):
        def __init__(self):
            self.inner, self.norm, self.drop = nn.Linear(4, 4), nn.BatchNorm1d(4), nn.Dropout()

        def forward(self, x):
            x = self.norm(self.inner(x))
            return self.drop(x)

    def test(model):
        with no_grad():
            for i in range(0, 16, 4):
                batch = X[i : i + 4]
                model(batch)

    run = Trained(Net())
    run.model.train()
    run.train()
    with TOLD as seen:
        for _ in range(3):
            test(run.model)
            run.train()
    assert len(seen) == 1


def by_iterator(model):
    batches = iter([X, X])
    for _ in range(2):
        model(next(batches))


def by_random_batches(model):
    for _ in range(3):
        batch = X[Tensor.randint(4, high=16).data]
        model(batch)


def by_a_call(model):
    for _ in range(3):
        model(Tensor.randn(4, 3))


def by_position(model):
    right = 0
    for i in range(0, 16, 4):
        right += (model(X[i : i + 4]).data > 0).sum()


def by_pairs(model):
    return [model(x).mean() for x, _ in zip([X, X], [1, 2], strict=True)]


def by_a_function(model):
    for _ in range(2):

        def test():
            return model(X)

        test()


@pytest.mark.parametrize(
    "test",
    [by_iterator, by_random_batches, by_a_call, by_position, by_pairs, by_a_function],
)
def test_loops_over_batches(test):
    model = Trained(steps=3).model
    with TOLD, no_grad():
        test(model)


def test_each_epoch_with_the_same_input_is_no_monte_carlo():
    run = Trained(steps=0)
    with TOLD:
        for _ in range(4):
            run.train(10)
            with no_grad():
                run.model(X)


def test_a_test_before_training_and_one_after():
    run = Trained(steps=0)
    with no_grad():
        run.model(X)
    run.train(20)
    with TOLD, no_grad():
        run.model(X)


# What is meant


def test_eval_and_train():
    run = Trained(nn.BatchNorm1d(4), nn.Dropout())
    for _ in range(3):
        run.model.eval()
        with no_grad():
            run.model(X)
        run.model.train()
        run.train()
        run.model(X)


def test_an_untrained_model():
    for steps in (0, 2):
        run = Trained(nn.BatchNorm1d(4), nn.Dropout(), steps=steps)
        with no_grad():
            run.model(X)
    Trained()
    with no_grad():
        network()(X)


def explicit(run):
    run.model.train()


def only_the_dropout(run):
    run.model.eval()
    for module in run.model.modules():
        if isinstance(module, nn.Dropout):
            module.train()


def by_hand(run):
    run.model.eval()
    run.model[1].training = True


@pytest.mark.parametrize("switch", [explicit, only_the_dropout, by_hand])
def test_monte_carlo_dropout(switch):
    run = Trained()
    for _ in range(3):
        switch(run)
        with no_grad():
            for _ in range(5):
                sample = run.model(X)
            many = [run.model(x) for x in (X, X * 2)]
        assert not np.array_equal(sample.data, many[0].data)
        run.model.train()
        run.train()


def in_a_list(model):
    return Tensor.stack([model(X) for _ in range(9)])


def in_a_generator(model):
    return Tensor.stack(list(model(X) for _ in range(9)))  # noqa: C400


def in_a_loop(model):
    samples = [None] * 9
    for i in range(9):
        sample = model(
            X,
        ).sigmoid()
        samples[i] = sample
    return Tensor.stack(samples)


def in_a_sum(model):
    mean = 0.0
    for _ in range(9):
        mean = np.add(mean, model(Tensor(X.data)).data / 9)
    return Tensor(np.array([mean, mean + 1]))


def in_a_while_loop(model):
    samples = []
    while len(samples) < 9:
        samples.append(model(X))
    return Tensor.stack(samples)


DRAWS = [in_a_list, in_a_generator, in_a_loop, in_a_while_loop, in_a_sum]


@pytest.mark.parametrize("draw", DRAWS)
def test_monte_carlo_dropout_in_a_model_that_was_never_switched(draw):
    model = Trained().model
    with no_grad():
        assert draw(model).var(0).data.max() > 0


def test_statistics_that_are_computed_anew():
    run = Trained(nn.BatchNorm1d(4))
    update_bn([X, X], run.model)
    run.model.train()
    with no_grad():
        for x in (X, X * 2):
            run.model(x)
    run.train()
    run.model[1].reset_running_stats()
    with no_grad():
        for x in (X, X * 2):
            run.model(x)


def test_averages_of_weights_and_teachers():
    run = Trained(nn.BatchNorm1d(4), nn.Dropout())
    average, teacher = AveragedModel(run.model), copy.deepcopy(run.model)
    for _ in range(3):
        run.train()
        average.update_parameters(run.model)
        with no_grad():
            teacher(X)
            average(X)


def test_calls_among_the_steps():
    """As a generator makes images for its critic, and a model the labels that it trains on."""
    run = Trained(nn.BatchNorm1d(4), nn.Dropout(), steps=0)
    for number in range(40):
        if number % 3:
            with no_grad():
                run.model(X)
        run.train(1)
    epochs = Trained(nn.Dropout(), steps=0)
    for _ in range(3):
        with no_grad():
            epochs.model(X)  # the rollout
        epochs.train(6)


def test_nothing_random_and_no_averages():
    for layer in (nn.Dropout(0.0), nn.BatchNorm1d(4, track_running_stats=False), nn.LayerNorm(4)):
        model = Trained(layer).model
        with no_grad():
            model(X)


def test_checkpoints_and_captured_steps():
    run = Trained(nn.Dropout(), nn.BatchNorm1d(4))
    checkpoint(run.model, X).sum().backward()

    @capture(strict=True)
    def step(x):
        run.optimizer.zero_grad()
        loss = run.model(x).square().mean()
        loss.backward()
        run.optimizer.step()
        return loss

    for _ in range(6):
        step(X)
    run.model.eval()
    with no_grad():
        run.model(X)
    run.model.train()
    with no_grad():
        run.model(X)


def test_a_model_that_a_captured_step_trained():
    run = Trained(steps=0)

    @capture(strict=True)
    def step(x):
        run.optimizer.zero_grad()
        run.model(x).square().mean().backward()
        run.optimizer.step()

    for _ in range(5):
        step(X)
    with no_grad(), pytest.warns(TrainingWarning, match="under no_grad and after captured steps"):
        run.model(X)


def test_rounds_of_monte_carlo_dropout():
    """As active learning has them: what the model is unsure of is labelled, and trained on."""
    run = Trained(steps=0)
    for _ in range(4):
        run.train(10)
        with no_grad():
            draws = Tensor.stack([run.model(X) for _ in range(6)])
        assert draws.var(0).data.max() > 0


def test_labels_that_a_model_makes_for_itself():
    run = Trained()
    for number in range(12):
        loss = run.model(X).square().mean()
        if number > 5:
            with no_grad():
                wanted = run.model(X)
                wanted = wanted.sigmoid()
            loss = loss + run.model(X).mse_loss(wanted)
        run.optimizer.zero_grad()
        loss.backward()
        run.optimizer.step()


def test_a_number_that_no_loss_reads_is_a_test():
    run = Trained()
    with TOLD:
        for _ in range(12):
            with no_grad():
                predicted = run.model(X)
            run.optimizer.zero_grad()
            predicted = run.model(X)
            loss = predicted.square().mean()
            loss.backward()
            run.optimizer.step()


def critic_and_generator(images):
    generator, critic = network(nn.BatchNorm1d(4)), nn.Linear(1, 1)
    one, two = (nn.optim.SGD(each.parameters(), lr=0.01) for each in (generator, critic))
    for number in range(20):
        fake = generator(X)
        two.zero_grad()
        (critic(fake.detach()).mean() - critic(X[:, :1]).mean()).backward()
        two.step()
        one.zero_grad()
        (-critic(fake).mean()).backward()
        one.step()
        if number % 10 == 9:
            with no_grad():
                images.append(generator(X).numpy())
    with no_grad():
        images.append(generator(X).numpy())


def test_images_of_a_generator():
    images = []
    critic_and_generator(images)
    assert len(images) == 3


def test_two_optimisers_of_one_loss():
    encoder, decoder = network(), nn.Linear(1, 1)
    one, two = (nn.optim.SGD(each.parameters(), lr=0.01) for each in (encoder, decoder))
    for _ in range(10):
        decoder(encoder(X)).square().mean().backward()
        one.step()
        two.step()
        one.zero_grad()
        two.zero_grad()
    with TOLD, no_grad():
        decoder(encoder(X))
