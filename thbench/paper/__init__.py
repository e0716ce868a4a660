"""The method of Zakharov et al. 2019: networks, losses, meta-learning, fine-tuning."""
