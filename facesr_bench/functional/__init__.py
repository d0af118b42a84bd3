"""Pure functions on arrays: what metrics compute."""
