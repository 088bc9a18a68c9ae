"""The Guacamole protocol, pure: bytes to instructions, instructions to a display. Opens nothing."""
