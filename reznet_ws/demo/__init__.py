"""The agent chat that the lab and `reznet-ws serve` run."""
