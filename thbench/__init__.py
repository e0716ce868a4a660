"""thbench: how good is the talking head that each method makes from T photos, and what does it
cost?
"""

__version__ = "0.1.0"
