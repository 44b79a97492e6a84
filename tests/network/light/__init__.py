"""The archive of commits, and what a network proves by it (RCPT-11)."""
