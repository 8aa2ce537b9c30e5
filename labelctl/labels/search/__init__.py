"""Searching photos by label: request, query, candidates and matches in order.

It must not know how results are drawn or printed.
"""
