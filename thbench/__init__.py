"""thbench: how good are talking heads that methods make from T photos, and what do they cost?"""

__version__ = "0.1.0"
