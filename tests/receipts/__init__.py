"""Light verification and the receipt files of networks (RCPT-8 … RCPT-10)."""
