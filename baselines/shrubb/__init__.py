"""Public files of shrubb's "FSTH", another implementation of Zakharov et al., for our networks."""
