"""Code shared by the function and the command line: S3 events and the schema of the tables.

The function's zip includes this package, so it imports only the standard library, makes no calls,
and depends on neither the function nor the command line.
"""
