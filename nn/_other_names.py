"""Names of torch.nn for what is called otherwise here: the error says how."""

WRITE = {
    "Parameter": "Tensor(data, requires_grad=True)",
    "functional": "the methods of Tensor, x.relu()",
    "ModuleList": "a list",
    "ModuleDict": "a dict",
    "ParameterList": "a list of tensors",
    "ParameterDict": "a dict of tensors",
    "Identity": "lambda x: x",
    "Embedding": "weight[index]",
    "LSTM": "LSTMCell, called for each time step",
    "PReLU": "x.prelu(weight)",
    "MultiheadAttention": "x.scaled_dot_product_attention(key, value)",
    "Upsample": "x.interpolate(size)",
    "CosineSimilarity": "x.cosine_similarity(y)",
    **{
        f"{name}{rank}d": f"x.{method}{rank}d({arguments}), in the forward of a Module"
        for rank in (1, 2, 3)
        for name, method, arguments in (
            ("Conv", "conv", "weight, bias"),
            ("MaxPool", "max_pool", "size"), ("AvgPool", "avg_pool", "size"),
            ("AdaptiveMaxPool", "adaptive_max_pool", "size"),
            ("AdaptiveAvgPool", "adaptive_avg_pool", "size"),
        )
    },
    **{
        name: f"Tensor.{method}, which Sequential takes as a layer"
        for name, method in {
            "Tanh": "tanh", "Sigmoid": "sigmoid", "GELU": "gelu", "SiLU": "silu", "ELU": "elu",
            "SELU": "selu", "CELU": "celu", "Mish": "mish", "ReLU6": "relu6",
            "LeakyReLU": "leaky_relu", "Softplus": "softplus", "Softsign": "softsign",
            "Hardswish": "hardswish", "Hardtanh": "hardtanh", "Softmax": "softmax",
            "LogSoftmax": "log_softmax", "LogSigmoid": "logsigmoid", "GLU": "glu",
        }.items()
    },
    **{
        name: f"scores.{method}(target)"
        for name, method in {
            "CrossEntropyLoss": "cross_entropy", "NLLLoss": "nll_loss", "MSELoss": "mse_loss",
            "L1Loss": "l1_loss", "SmoothL1Loss": "smooth_l1_loss", "HuberLoss": "huber_loss",
            "KLDivLoss": "kl_div", "BCELoss": "binary_crossentropy",
            "BCEWithLogitsLoss": "binary_crossentropy_logits",
            "HingeEmbeddingLoss": "hinge_embedding_loss",
        }.items()
    },
}  # fmt: skip
