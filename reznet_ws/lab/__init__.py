"""What the notebooks drive: a server in this process, clients in another, and what both measured."""
