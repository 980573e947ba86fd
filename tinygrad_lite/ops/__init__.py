"""The differentiable primitives: classes with a `forward` and a `backward` on arrays.

One file per theme.  Each class states its formula, its derivative and its corner cases; the
methods of Tensor (in `tinygrad_lite.methods`) are composed of them.
"""
