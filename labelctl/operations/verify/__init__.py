"""`verify`: check that bucket, tables and index agree, and repair inconsistencies.

`rules` decides without calling AWS; the other modules read its input or make repairs.
"""
