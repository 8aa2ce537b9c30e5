"""Galleries: a static web page of photos and labels, as a folder or as one file."""
