"""Every layer and loss of nn in a captured step, in training and in evaluation, beside eager.

Two twins with the same numbers: one is called eagerly, the other is captured, on fresh batches.
After each call results, parameters, gradients, buffers and the generator are the same, bit for bit.
By default one row of the table for each layer; all of them with

    EVERY_ROW=1 pytest tests/capturing/test_layers.py
"""

import os

import numpy as np
import pytest
from capturing.layer_twins import CALLS, Twin
from parity.layer_cases import CASES
from parity.layer_inputs import Case, below

import nn

# Layers that PyTorch has not, or that compute nothing of their own.
OTHERS = [
    Case("Identity()", (4, 3)),
    Case(lambda lib: lib.Lambda(lambda x: x.tanh() * 2), (4, 3), name="Lambda(...)"),
    Case("Unflatten(1, (2, 3))", (4, 6)),
    Case("RoPE(4)", (2, 5, 6)),
    Case("RoPE(4, traditional=True, scale=0.5)", (2, 5, 4)),
    Case("SinusoidalPositionalEncoding(6)", (5,)),
    Case("SinusoidalPositionalEncoding(6, cos_first=True, full_turns=True)", below(9, 2, 5)),
    Case("Sequential(Linear(3, 5), BatchNorm1d(5), ReLU(), Dropout(), Linear(5, 2))", (6, 3)),
]


class Several(nn.Module):
    """Containers, whose modules and parameters it uses."""

    def __init__(self):
        self.list = nn.ModuleList([nn.Linear(3, 3) for _ in range(2)])
        self.dict = nn.ModuleDict({"first": nn.Tanh(), "second": nn.Dropout(0.3)})
        self.scales = nn.ParameterList([nn.Parameter(np.ones(3, np.float32)) for _ in range(2)])
        self.shifts = nn.ParameterDict({"only": nn.Parameter(np.zeros(3, np.float32))})

    def forward(self, x):
        for layer, scale in zip(self.list, self.scales, strict=True):
            x = layer(x) * scale
        for layer in self.dict.values():
            x = layer(x) + self.shifts["only"]
        return x


CONTAINERS = [
    Case(lambda lib: Several(), (4, 3), name=f"{name} and others")
    for name in ("ModuleList", "ModuleDict", "ParameterList", "ParameterDict")
]
ROWS = [*CASES, *OTHERS, *CONTAINERS]

# Those whose shapes depend on the values of labels, and why they run eagerly.
NOT_CAPTURED = {"AdaptiveLogSoftmaxWithLoss": "only the clusters of the labels are computed"}

# To be done.
PENDING = """
ParameterDict ParameterList ModuleDict ModuleList Sequential LinearCrossEntropyLoss
TripletMarginWithDistanceLoss TripletMarginLoss CosineEmbeddingLoss MarginRankingLoss
HingeEmbeddingLoss MultiMarginLoss MultiLabelSoftMarginLoss GaussianNLLLoss PoissonNLLLoss KLDivLoss
BCEWithLogitsLoss BCELoss NLLLoss CrossEntropyLoss MultiLabelMarginLoss SoftMarginLoss
CosineSimilarity Transformer TransformerDecoder TransformerEncoder TransformerDecoderLayer
TransformerEncoderLayer LSTM InstanceNorm2d BatchNorm3d BatchNorm2d BatchNorm1d Dropout3d Dropout1d
FeatureAlphaDropout AlphaDropout Dropout2d Dropout Mish Softplus LogSigmoid SELU CELU ELU RReLU
PReLU LeakyReLU MaxUnpool3d MaxUnpool2d MaxUnpool1d MaxPool1d MaxPool2d LPPool3d MaxPool3d
AdaptiveMaxPool3d LPPool2d AdaptiveMaxPool2d AdaptiveMaxPool1d LPPool1d ConvTranspose3d EmbeddingBag
Embedding
"""


def layer_of(case):
    """The name of the class that the row is about."""
    return case.name.split("(")[0].split(".")[0].split(" ")[0]


FIRST: dict[str, Case] = {}  # the first row of each layer
for _case in ROWS:
    FIRST.setdefault(layer_of(_case), _case)
CHOSEN = ROWS if "EVERY_ROW" in os.environ else list(FIRST.values())


def test_every_layer_has_a_row():
    assert sorted(FIRST) == sorted(nn.layers.__all__)


@pytest.mark.parametrize("case", CHOSEN, ids=repr)
def test_a_captured_layer_trains_as_the_eager_one(case):
    if layer_of(case) in NOT_CAPTURED:
        pytest.skip(NOT_CAPTURED[layer_of(case)])
    if layer_of(case) in PENDING.split():
        pytest.skip("pending")
    eager, captured = Twin(case), Twin(case).captured()
    for training, seed in CALLS:
        expected, found = eager.after(training, seed), captured.after(training, seed)
        assert found == expected, [key for key in expected if found[key] != expected[key]]
