"""Socket.IO servers side by side: bytes at the client's socket, CPU of the server's process, latency at the client.

In: `python -m benchmarks`, from the repository's root. Out: a table, a JSON file and a picture.
Never: is imported by the package. Servers and load are processes of their own, each pinned to a core of its own where
the system can.
"""
