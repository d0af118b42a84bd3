"""Runs methods on protocols and scores what they make."""
