"""`verify`: check that bucket, tables and index agree, and repair inconsistencies.

`rules` decides without asking AWS; the other modules read its input or make repairs.
"""
