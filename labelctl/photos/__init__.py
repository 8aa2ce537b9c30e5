"""Photos: files that are checked and uploaded, the objects they become, and removing those.

It knows files and the bucket. It must not know results: whoever needs both is in `labels` or above.
"""
