"""Networks of validators: CometBFT and what stands around it."""
