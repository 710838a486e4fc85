"""From an emitted event to the socket: connections, their lines, and the road between."""
