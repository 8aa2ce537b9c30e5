"""`python -m labelctl`."""

from labelctl.cli import main

main()
