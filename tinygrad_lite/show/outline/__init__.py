"""The boxes and arrows of a graph, which the picture and the page read.

outline      the model: boxes, and arrows between them
boxes        one box
labels       the text in the boxes
wording      shapes, values and options of an op in a few words
summaries    an array in a few words
folding      a large outline made small
modules      one box for each Module
repeats      equal parts in a sequence
equal_parts  one box for equal parts that follow each other
merging      several boxes become one
captions     the text of merged boxes
terminal     what a terminal can print
"""
