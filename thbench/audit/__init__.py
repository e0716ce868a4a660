"""What each metric sees: known defects of known strength, on frames whose truth is known."""
