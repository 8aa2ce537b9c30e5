"""Photos with their boxes and names drawn on them."""
