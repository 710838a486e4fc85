"""A server with clients in a notebook, a dashboard for it, and explanations."""
