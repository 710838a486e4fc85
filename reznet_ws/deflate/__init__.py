"""permessage-deflate: what clients' inflaters hold, and who shares a compression. Pure."""
