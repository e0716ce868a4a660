"""What several tests share: small datasets, tiny networks, made-up runs, watched processes."""
