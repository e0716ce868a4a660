"""Result files of other programs, read into a run beside its own scores and never among them."""
