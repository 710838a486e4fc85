"""Your own traffic: what a capture says about which layers to turn on."""
