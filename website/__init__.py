"""The static site: `./run site`."""
