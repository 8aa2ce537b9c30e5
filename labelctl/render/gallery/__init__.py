"""A gallery: a folder, or one file, with a static page to look through photos and their labels."""
