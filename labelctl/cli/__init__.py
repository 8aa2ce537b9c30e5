"""The command line: parses options, calls the core functions, prints results, sets the exit code.

Only this package imports Typer and rich, prints, or ends the program. It contains no logic of its
own.
"""
