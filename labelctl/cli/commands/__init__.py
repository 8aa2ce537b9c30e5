"""The commands, one module each. A module parses options, calls a core function and prints the result.

A command imports core modules when it runs, which keeps `--help` and the other commands fast.
"""
