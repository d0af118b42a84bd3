"""Results that travel: one file that holds what a result claims, and all that is needed to check it."""
