"""What is stored of photos: reading, waiting for, listing, counting and exporting results.

It knows the tables and the objects that results belong to. It must not know queues, or how anything is
printed.
"""
