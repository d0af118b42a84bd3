"""What `check` and `compare` print and write: in the terminal, for pull requests and CI systems, as a page."""
