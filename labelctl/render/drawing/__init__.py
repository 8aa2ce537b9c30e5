"""Drawing boxes and label names on photos. It knows labels, but not where they come from."""
