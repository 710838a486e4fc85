/**
 * The browser's side of reznet_ws: gives socket.io-client's handlers what the server emitted.
 *
 * `decodePayload` mirrors `decode_payload` in optimizer.py and `expand` in fields.py; `attach` puts it in front of a
 * socket's handlers. A client asks for format 2 with `io(url, {query: {reznet: 2}})`. Nothing is imported: this is one
 * ES module for browsers and Node 18+.
 */
export declare const FIELD_MAP: Readonly<{
    message_id: "mid";
    channel_id: "cid";
    author_type: "at";
    author_name: "an";
    author_id: "aid";
    content: "c";
    created_at: "ts";
    updated_at: "uts";
    metadata: "m";
    agent_name: "ag";
    agent_id: "agid";
    status: "s";
    workflow_id: "wid";
    description: "d";
    orchestrator: "orch";
    plan: "p";
    total_tasks: "tt";
    tasks: "t";
    order: "o";
    depends_on: "dep";
    model: "mdl";
    provider: "prv";
    in_reply_to: "irt";
    tokens: "tok";
    chunk: "ch";
    is_final: "fin";
    streaming: "str";
}>;
/** A payload or batch that claims to be format 2 and is not: cut, forged or too large. */
export declare class DecodeError extends Error {
    readonly name = "DecodeError";
}
export interface DecodeOptions {
    /** Give `created_at` and `updated_at` as `Date` wherever `toISOString` gives the emitted string back. */
    dates?: boolean | undefined;
    /** What gzip may inflate to; 10 MB unless given. */
    maxBytes?: number | undefined;
}
export interface AttachOptions extends DecodeOptions {
    /** Hears of each event that was dropped because it could not be decoded; `console.error` unless given. */
    onError?: ((error: DecodeError, event: string) => void) | undefined;
}
/** What `attach` needs to see of socket.io-client's `Socket`. */
export interface SocketLike {
    readonly id?: string | undefined;
    readonly io: {
        readonly engine: unknown;
    };
}
/**
 * Give back what was emitted; needs no settings, since a payload says itself what was done to it.
 *
 * Shape: a payload of any format -> JSON value, or a Promise of it where the payload is gzipped. What is not marked
 * `_v: 2` comes back as it is, but for `dates`. Throws (the Promise: rejects with) DecodeError.
 */
export declare function decodePayload(payload: unknown, options?: DecodeOptions): unknown;
/**
 * Give a socket's handlers decoded data, from the server's grant of format 2 until the connection ends.
 *
 * Shape: socket.io-client's `Socket` -> the same. Batches come as single events, in order, acks among them; what
 * cannot be decoded is dropped and told to `onError`. Call it before the socket connects, as right after `io()`; a
 * second call for the same socket changes nothing.
 */
export declare function attach<S extends SocketLike>(socket: S, options?: AttachOptions): S;
