"""Photos as files and as objects in the bucket: validating, uploading and removing them.

It must not depend on results; code that needs both belongs to `labels` or a package after it.
"""
