"""What an audit found: terminal, page, picture, JSON."""
