"""The dashboard: switches for every layer, and charts of what crosses the wire."""
