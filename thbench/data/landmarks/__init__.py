"""Faces and landmarks in real images, and landmark images."""
