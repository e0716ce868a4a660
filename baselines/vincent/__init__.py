"""The public models of vincent-thevenin's reimplementation of Zakharov et al.: a variant with a
generator of its own.
"""
