/**
 * Format m at a JavaScript client: events of MessagePack, beside all that socket.io-client's own parser understands.
 *
 * In: what Engine.IO hands over. Out: decoded packets. Never: takes an attachment for an event, or takes memory for
 * what a message merely claims to hold. docs/formats.md specifies it; `@msgpack/msgpack` reads MessagePack.
 */
import { EVENT, RESERVED_EVENTS } from "./packets.js";
/** A message that no server can have sent to this connection, which is to be closed. */
export class MessagePackError extends Error {
    name = "MessagePackError";
}
const BYTES_TYPE = 0;
const MAX_BYTES = 10 * 1024 * 1024;
// Packets whose attachments follow. Source: socket.io-protocol 5, "Binary event" and "Binary ack".
const ANNOUNCEMENT = /^[56](\d{1,6})-/;
// For the first bytes from 0xc0 to 0xdf: bytes of a fixed size that follow, bytes of a length, values for each that the
// length counts. Source: msgpack's spec.md, "Formats".
const FIXED = [0, -1, 0, 0, 0, 0, 0, 1, 1, 1, 4, 8, 1, 2, 4, 8, 1, 2, 4, 8, 2, 3, 5, 9, 17, 0, 0, 0, 0, 0, 0, 0];
const LENGTH = [0, 0, 0, 0, 1, 2, 4, 1, 2, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 2, 4, 2, 4, 2, 4];
const FIRST_ARRAY = 0xdc;
const FIRST_MAP = 0xde;
/** Makes a function that reads one message. It throws MessagePackError, or what the library throws. */
export function reader(library) {
    let isBuffer = false;
    const extensionCodec = new library.ExtensionCodec();
    extensionCodec.register({
        type: BYTES_TYPE,
        encode: () => null,
        // What an attachment would have come as.
        decode: (bytes) => {
            const copy = new Uint8Array(bytes); // a Buffer would share its memory with others
            return isBuffer ? globalThis.Buffer.from(copy.buffer) : copy.buffer;
        },
    });
    const decoder = new library.Decoder({ extensionCodec });
    return (message) => {
        isBuffer = message instanceof Uint8Array;
        const bytes = isBuffer ? message : new Uint8Array(message);
        checkCounts(bytes);
        const values = Array.from(decoder.decodeMulti(bytes));
        const data = values.pop();
        const nsp = typeof values[0] === "string" ? values.shift() : "/";
        const id = typeof values[0] === "number" ? values.shift() : undefined;
        if (values.length > 0 || !Array.isArray(data) || typeof data[0] !== "string" || RESERVED_EVENTS.has(data[0])) {
            throw new MessagePackError("no namespace, ack id and event");
        }
        return { nsp, id, data };
    };
}
/** Lets what is as long as it says pass: the library takes memory for what an array says, before it comes. */
function checkCounts(bytes) {
    const size = bytes.length;
    if (size > MAX_BYTES) {
        throw new MessagePackError(`more than ${MAX_BYTES} bytes`);
    }
    let due = 0;
    let at = 0;
    while (at < size) {
        const first = bytes[at++];
        due = Math.max(due, 1) - 1;
        if (first < 0x80 || first >= 0xe0) {
            continue; // a small integer
        }
        if (first >= 0xc0) {
            const kind = first - 0xc0;
            let count = 0;
            for (let left = LENGTH[kind]; left > 0; left -= 1) {
                count = count * 256 + (bytes[at++] ?? 0);
            }
            at += FIXED[kind];
            if (FIXED[kind] === -1) {
                throw new MessagePackError("a byte that means nothing");
            }
            if (first < FIRST_ARRAY) {
                at += count;
            }
            else {
                due += first < FIRST_MAP ? count : 2 * count;
            }
        }
        else if (first >= 0xa0) {
            at += first & 31; // a short string
        }
        else {
            due += first >= 0x90 ? first & 15 : 2 * (first & 15); // a short array, or map
        }
        if (due > size - at) {
            throw new MessagePackError("it says that it holds more than it does");
        }
    }
    if (at !== size || due !== 0) {
        throw new MessagePackError("it ends in the middle");
    }
}
/**
 * The `parser` option of socket.io-client: its own parser, with format m understood as well.
 *
 * Shape: socket.io-client's `Manager`, and `@msgpack/msgpack` -> `{Encoder, Decoder}`. A message that cannot be right
 * ends the connection, and the client connects again.
 */
export function messagePack(Manager, library) {
    // A manager that never connects shows the parser that its bundle was built with.
    const stock = new Manager({ autoConnect: false });
    class Decoder extends stock.decoder.constructor {
        read = reader(library);
        attachmentsDue = 0;
        add(data) {
            if (typeof data === "string") {
                this.attachmentsDue = Number(ANNOUNCEMENT.exec(data)?.[1] ?? 0);
                super.add(data);
            }
            else if (this.attachmentsDue > 0) {
                this.attachmentsDue -= 1;
                super.add(data);
            }
            else {
                this.emitReserved("decoded", { type: EVENT, ...this.read(data) });
            }
        }
        destroy() {
            this.attachmentsDue = 0;
            super.destroy();
        }
    }
    return { Encoder: stock.encoder.constructor, Decoder };
}
