"""Programs that the pools run: they hold the bytes, the daemon holds the state."""
