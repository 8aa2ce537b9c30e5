"""What the local cloud keeps on disk, so that killing it at any moment loses nothing reported as done.

group_commit.py    when to save
state.py           what is saved, and what a start makes of it
snapshots.py       where: two copies, of which one is always whole
journal.py         notifications that were not saved yet
torn_objects.py    objects that were not saved whole
addresses.py       the emulator's address in a saved state, when the port has changed
function_code.py   the functions' code, found again by its hash

It must not know who sends requests.
"""
