"""Lists of clips that published evaluations use.

None is bundled: the files are others' work, and for most nobody says under which licence. The
readers take the original files.
"""
