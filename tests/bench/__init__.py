"""Measurements and long trials that anyone can start: `python -m tests.bench` lists them."""
