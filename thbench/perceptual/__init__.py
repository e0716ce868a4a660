"""Fixed networks whose features the content losses compare."""
