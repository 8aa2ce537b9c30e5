"""Persistence of the local cloud: killing it at any moment loses no confirmed change.

group_commit.py    when to save
state.py           what to save, and how to restore it
snapshots.py       where: two snapshots, of which a kill leaves at least one intact
journal.py         notifications that no snapshot contains yet
torn_objects.py    objects that were only partly written
addresses.py       the emulator's address in a snapshot, replaced if the port has changed
function_code.py   Lambda code, restored by its hash

docs/persistence.md explains how they work together. This package must not know about requests.
"""
