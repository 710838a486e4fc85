"""A recorded trace through any settings, to the byte, without sockets."""
