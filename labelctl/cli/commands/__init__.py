"""The commands, a module each: options in, a core function, values to the view.

What a command needs beyond that, it imports when it runs, so that `--help` and the other commands
do not pay for it.
"""
