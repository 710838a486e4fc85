/**
 * Format 3 in browsers and Node: gives socket.io-client the packets that the server emitted.
 *
 * `io(url, { query: { reznet: 3 }, parser: rows(io) })`, with socket.io-client 4.x as it is. Mirrors client/rows.py;
 * docs/formats.md has the wire. Plain ES modules for browsers and Node 18+: this one and rows-text.js beside it.
 */
import { RowsError } from "./rows-text.js";
export { RowsError };
/** What one connection holds of what it was sent. */
export declare class RowsDecoder {
    private shapes;
    private templates;
    private keptLength;
    private far;
    /** A new connection, or a server that begins anew. */
    forget(): void;
    /** The packets in the text of one Engine.IO message, in order. Throws RowsError. */
    decode(frame: string): string[];
    private read;
    private define;
    private learn;
    private follow;
    private keep;
}
/** What `rows` needs to see of socket.io-client's `io`. */
export interface IoLike {
    readonly Manager: new (options: any) => unknown;
}
/**
 * The `parser` option of socket.io-client: its own parser, with format 3 understood as well.
 *
 * Shape: `io` -> `{Encoder, Decoder}`. A frame that cannot be right ends the connection, which then begins anew.
 */
export declare function rows(io: IoLike): {
    Encoder: unknown;
    Decoder: unknown;
};
