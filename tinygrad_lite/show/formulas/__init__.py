"""The formulas of operations, from the LaTeX on their classes.

formulas   the formulas of a node; LaTeX with other symbols; MathML
math_text  LaTeX as a line of plain text
symbols    the symbols that stand for the values of a graph
"""
