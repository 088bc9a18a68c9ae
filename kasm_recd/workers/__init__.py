"""Programs that the pools run as child processes: they hold the bytes, the daemon holds the state."""
