"""One file a scan: its parts as named regions."""
