"""Cut the bytes a Socket.IO server sends, losslessly, and measure each cut at the socket."""
