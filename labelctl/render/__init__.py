"""Pictures of photos: decoding them, drawing on them, and galleries.

It is the only package that imports Pillow. It must not know a terminal.
"""
