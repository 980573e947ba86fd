"""`step.source()`: a recorded step as a NumPy program that a person reads.  Index: ../__init__."""
