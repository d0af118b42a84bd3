"""Where data lies, and how a dataset's pictures become a protocol's samples."""
