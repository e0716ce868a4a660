"""Embedder, generator and discriminator, with their parts (A.1)."""
