"""Every private name of another library that we touch: what for, and whether it is there.

In: the libraries that are installed. Out: which of them fit; where one does not, that part is left to stock.
Never: patches anything.
"""

from __future__ import annotations

import functools
import importlib
import logging

logger = logging.getLogger("reznet_ws")

# Library -> (module, path to the name, what for).
NAMES: dict[str, tuple[tuple[str, str, str], ...]] = {
    "uvicorn": (
        ("uvicorn.protocols.websockets.websockets_sansio_impl", "WebSocketsSansIOProtocol.handle_connect", "handshake"),
    ),
}


@functools.cache
def fits(library: str) -> bool:
    """Whether all names of a library are there; says once what is lost where they are not."""
    for module, path, purpose in NAMES[library]:
        try:
            found = importlib.import_module(module)
            for name in path.split("."):
                found = getattr(found, name)
        except (ImportError, AttributeError):
            logger.warning("%s has no %s.%s (%s): its connections are left as they are", library, module, path, purpose)
            return False
    return True


@functools.cache
def max_size_name() -> str:
    """How websockets' protocol calls the bound on a message: `max_message_size` since 16, `max_size` before."""
    from websockets.server import ServerProtocol

    return "max_message_size" if hasattr(ServerProtocol(), "max_message_size") else "max_size"
