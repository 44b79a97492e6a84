"""The state machine that an engine drives, and what it is made of."""
