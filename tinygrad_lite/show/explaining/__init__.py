"""explain: the chain rule written out for a graph.

explanation   `explain`, and the explanation that it returns
sections      the function, the way back, and what comes of it
steps         what each step computed, and what its rule gives
reasons       why a gradient is zero, tiny, huge or not finite
factors       what one step does to a gradient
differencing  the gradients compared with finite differences
simplifying   what well-known compositions come to
softmax_loss  softmax and cross entropy, however they were written
closing       the last lines, and how far they are from what was computed
document      text, Markdown or LaTeX
shortening    long lists told shortly
"""
