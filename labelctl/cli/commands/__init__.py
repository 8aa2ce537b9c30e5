"""The commands, one module each: parses options, calls a core function, prints the result.

A command imports core modules when it runs, which keeps `--help` and the other commands fast.
"""
