"""Connection state recovery: what is kept so that a client that was away misses nothing; no sockets here."""
