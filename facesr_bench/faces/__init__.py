"""Faces as metrics see them: points, alignment, identity embeddings, landmark detectors and their errors."""
