"""A prepared dataset on disk: written, read in place, checked."""
