"""The command line: options in, one core call, values to the output; errors become exit codes.

It is the only package that imports Typer and rich, and the only one that prints or ends the program.
It must not know how anything is done.
"""
