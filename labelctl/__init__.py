"""Labels for photos: put photos in, get labels out, on AWS or wholly on a laptop."""
