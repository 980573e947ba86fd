"""trace_nan: which operation made the first inf or nan.

nonfinite     `trace_nan`, and the answer that it returns
origins       the search back through the graph and its gradients
known_values  the values of the ops, as far as they can be known
replaying     single ops run again with other inputs
repairs       what probably has to be changed
"""
