"""Scoring videos that lie on disk: true clips and other programs' results, matched by name."""
