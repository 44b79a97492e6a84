"""The engine for many validators: CometBFT orders transactions, the application executes them."""
