"""Results on disk and what is computed of them: no torch, no plug-ins."""
