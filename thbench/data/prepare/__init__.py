"""Real videos and photographs become a prepared dataset."""
