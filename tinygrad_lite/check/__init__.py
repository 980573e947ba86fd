"""Gradients against finite differences, and what is wrong where they differ.

gradients.py compares, differences.py measures the slopes, diagnosis.py names the fault.
"""

from .gradients import GradientError, gradcheck, gradgradcheck

__all__ = ["GradientError", "gradcheck", "gradgradcheck"]
