"""The metric audit as a figure and a page."""
