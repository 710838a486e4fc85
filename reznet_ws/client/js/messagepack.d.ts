/**
 * Format m at a JavaScript client: events of MessagePack, beside all that socket.io-client's own parser understands.
 *
 * In: what Engine.IO hands over. Out: decoded packets. Never: takes an attachment for an event, or takes memory for
 * what a message merely claims to hold. docs/formats.md specifies it; `@msgpack/msgpack` reads MessagePack.
 */
import type { ManagerLike } from "./rows.js";
/** A message that no server can have sent to this connection, which is to be closed. */
export declare class MessagePackError extends Error {
    readonly name = "MessagePackError";
}
/** What `messagePack` needs of `@msgpack/msgpack` 3. */
export interface MessagePackLibrary {
    Decoder: new (options: {
        extensionCodec: any;
    }) => {
        decodeMulti(data: Uint8Array): Iterable<unknown>;
    };
    ExtensionCodec: new () => {
        register(extension: {
            type: number;
            encode: any;
            decode: any;
        }): void;
    };
}
/** One event: `data` is its name and its arguments. */
export interface Unpacked {
    nsp: string;
    id: number | undefined;
    data: unknown[];
}
type Binary = ArrayBuffer | Uint8Array;
/** Makes a function that reads one message. It throws MessagePackError, or what the library throws. */
export declare function reader(library: MessagePackLibrary): (message: Binary) => Unpacked;
/**
 * The `parser` option of socket.io-client: its own parser, with format m understood as well.
 *
 * Shape: socket.io-client's `Manager`, and `@msgpack/msgpack` -> `{Encoder, Decoder}`. A message that cannot be right
 * ends the connection, and the client connects again.
 */
export declare function messagePack(Manager: ManagerLike, library: MessagePackLibrary): {
    Encoder: unknown;
    Decoder: unknown;
};
export {};
