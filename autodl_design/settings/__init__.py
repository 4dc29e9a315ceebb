"""Settings as fields of dataclasses, flags and help texts made of them; how a script starts and ends."""
