"""Photos with their boxes and names drawn on them. It knows labels, not where they come from."""
