/** What the parsers know of Socket.IO's packets. Source: socket.io-protocol 5. */
export declare const CONNECT = 0;
export declare const EVENT = 2;
/** Names that socket.io-client calls listeners of its own accord by; socket.io-parser refuses them from a server. */
export declare const RESERVED_EVENTS: ReadonlySet<unknown>;
