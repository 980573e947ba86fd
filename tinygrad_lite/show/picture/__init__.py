"""draw: a graph as a picture, or as a tree of text.

picture  `draw`, and the picture that it returns
dot      an outline in DOT, rendered by Graphviz
frames   frames around the boxes of one call of a Module
tree     an outline as a tree of text
failing  draw_on_error: the graph up to the call that failed
"""
