/** What the parsers know of Socket.IO's packets. Source: socket.io-protocol 5. */

export const CONNECT = 0;
export const EVENT = 2;

/** Names that socket.io-client calls listeners of its own accord by; socket.io-parser refuses them from a server. */
export const RESERVED_EVENTS: ReadonlySet<unknown> = new Set([
  "connect",
  "connect_error",
  "disconnect",
  "disconnecting",
  "newListener",
  "removeListener",
]);
