"""Gradients compared with finite differences, and a diagnosis where they differ.

gradients.py compares, differences.py computes the differences, diagnosis.py names the fault.
"""

from .gradients import GradientError, gradcheck, gradgradcheck

__all__ = ["GradientError", "gradcheck", "gradgradcheck"]
