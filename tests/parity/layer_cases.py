"""The table of layers beside PyTorch's: one row for each option, input shape and way of calling.

A row is an expression that is evaluated with the names of `nn` and with those of `torch.nn`, and
the inputs of a call; layer_pair.Case says what else it can hold.  `test_layers.py` builds both
layers and compares the names of state and parameters, the initial values, then, with the same state
and inputs, values, gradients and second order in float64, in training and in evaluation, the
buffers after the call, and dtypes in float32.

    Case("Conv2d(3, 8, 3, padding='same')", (2, 3, 8, 8))
    Case("LSTMCell(3, 2)", (4, 3), [(4, 2), (4, 2)])                a tuple of two tensors
    Case("Embedding(10, 3)", below(10, 4, 5))                       integers below 10
    Case("Dropout(0.3)", (2, 3), random=True)                       compared in evaluation only
    Case("MaxUnpool1d(2)", (2, 3, 4), indices, call={"output_size": (9,)})
    Case("MSELoss(reduction='sum')", (4, 3), (4, 3))                a loss: input and target

A table of the layers, and with --time their times beside PyTorch's (those of TIMED):

    PYTHONPATH=tests .venv-torch/bin/python -m parity.layer_cases [--time] [names that begin so]
"""
