"""Names of torch.nn for what is called otherwise here: the error says how."""

WRITE = {
    "Parameter": "Tensor(data, requires_grad=True)",
    "functional": "the methods of Tensor, x.relu()",
    "ModuleList": "a list",
    "ModuleDict": "a dict",
    "ParameterList": "a list of tensors",
    "ParameterDict": "a dict of tensors",
    "Identity": "lambda x: x",
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
