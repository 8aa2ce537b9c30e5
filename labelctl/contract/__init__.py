"""What the function and the command line share: S3's events, and how results are stored.

It is part of the function's zip. So it imports the standard library only, makes no calls, and knows
neither the function nor the command line.
"""
