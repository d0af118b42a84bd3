"""Pictures as arrays: files, resizing, quantisation, maps."""
