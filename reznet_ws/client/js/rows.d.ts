/**
 * Format 3 in browsers and Node: gives socket.io-client the packets that the server emitted.
 *
 * `io(url, { query: { reznet: 3 }, parser: rows(Manager) })`, with socket.io-client 4.x as it is. Mirrors
 * client/rows_decoder.py; docs/formats.md has the wire. Plain ES modules for browsers and Node 18+: this one and
 * rows-text.js beside it.
 */
import { RowsError } from "./rows-text.js";
export { RowsError };
/** Shapes that both sides know before the first message, as `rows_seed` of the server's manager gives them. */
export interface RowsSeed {
    readonly name: string;
    readonly packets: readonly string[];
}
/** What one connection holds of what it was sent. */
export declare class RowsDecoder {
    private shapes;
    private templates;
    private keptLength;
    private far;
    private readonly seed;
    constructor(seed?: RowsSeed);
    /** A new connection, or a server that begins anew. */
    forget(): void;
    /** The packets in the text of one Engine.IO message, in order. Throws RowsError. */
    decode(frame: string): string[];
    private sow;
    private read;
    private readMask;
    private define;
    private follow;
    /** The newest row; the one that it goes on from, if it does, is dropped. */
    private append;
    private keep;
}
/** What `rows` needs to see of socket.io-client's `Manager`. */
export type ManagerLike = new (options: {
    autoConnect: boolean;
}) => unknown;
/**
 * The `parser` option of socket.io-client: its own parser, with format 3 understood as well.
 *
 * Shape: socket.io-client's `Manager` -> `{Encoder, Decoder}`. A frame that cannot be right ends the connection, and
 * the client connects again. `seed`: what it knows beforehand; its name goes into the query, beside `reznet: 3`.
 */
export declare function rows(Manager: ManagerLike, seed?: RowsSeed): {
    Encoder: unknown;
    Decoder: unknown;
};
