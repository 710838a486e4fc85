"""Where the built TypeScript decoder lies, for a server that hands it to browsers."""

from pathlib import Path

MODULE = Path(__file__).with_name("reznet.js")
