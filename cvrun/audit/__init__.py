"""The audit: what is wrong with the images of a data set, and which of them are copies of each other.

look.py says what one image is, gather.py does so for all of a set, once; similar.py finds which are alike, findings.py
what follows for the parts of a split, and verdict.py whether a run may start.
"""

VERSION = 2
"""Of what an audit notes of an image and concludes from that: another one wherever either changes."""
