"""Tensor's methods by theme: each a mixin class, composed of the primitives in `tinygrad_lite.ops`.

They never import Tensor: a result has the class of the tensor it came from.
"""
