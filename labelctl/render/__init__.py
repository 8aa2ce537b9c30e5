"""Decoding photos, drawing labels on them, and building galleries.

Only this package imports Pillow. It must not know about the terminal.
"""
