"""Reading results: show, wait, list, search, count and export.

It knows the tables and the objects the results belong to. It must not know the queues, or how results
are printed.
"""
