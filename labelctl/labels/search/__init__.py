"""Searching: what somebody asks for, which photos may match, and those that do, best first.

It must not know how a result is drawn or printed.
"""
