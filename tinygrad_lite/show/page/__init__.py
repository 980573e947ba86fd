"""draw(loss, "graph.html"): a graph as one file that a browser shows.

page        the file, put together of those in web/
data        all that it tells, as a structure for JSON
rules       what is told of an op's class: formulas, the source of its rule
arrays      statistics, histograms, heat maps and images
steps       the backward pass, step by step
spot_check  the rule of one node, compared with finite differences
"""
