/**
 * The browser's side of reznet_ws: gives socket.io-client's handlers what the server emitted.
 *
 * `decodePayload` mirrors `decode_payload` in optimizer.py and `expand` in fields.py; `attach` puts it in front of a
 * socket's handlers. A client asks for format 2 with `io(url, {query: {reznet: 2}})`. Nothing is imported: this is one
 * ES module for browsers and Node 18+.
 */

export const FIELD_MAP = Object.freeze({
  // Messages
  message_id: "mid",
  channel_id: "cid",
  author_type: "at",
  author_name: "an",
  author_id: "aid",
  content: "c",
  created_at: "ts",
  updated_at: "uts",
  metadata: "m",
  // Agents
  agent_name: "ag",
  agent_id: "agid",
  status: "s",
  // Workflows
  workflow_id: "wid",
  description: "d",
  orchestrator: "orch",
  plan: "p",
  total_tasks: "tt",
  tasks: "t",
  order: "o",
  depends_on: "dep",
  // LLM metadata
  model: "mdl",
  provider: "prv",
  in_reply_to: "irt",
  tokens: "tok",
  // Streaming
  chunk: "ch",
  is_final: "fin",
  streaming: "str",
});

const FORMAT = 2;
const MAX_BYTES = 10 * 1024 * 1024;
// The server refuses deeper nesting, so only a forged payload has it.
const MAX_DEPTH = 256;
const ESCAPE = "~";
const EXPANSIONS = new Map<string, string>(Object.entries(FIELD_MAP).map(([full, short]) => [short, full]));
const TIMESTAMPS: ReadonlySet<string> = new Set(["created_at", "updated_at"]);
// Years 1 to 9999: what Python's datetime holds, and where toISOString writes four digits.
const MIN_MS = Date.parse("0001-01-01T00:00:00.000Z");
const MAX_MS = Date.parse("9999-12-31T23:59:59.999Z");
// Chromium inflates all of a piece before it hands any out, and deflate makes at most 1032 bytes of one: a bomb gets
// 2 MB past the limit. Larger pieces save little: 500 KB of gzip takes Chromium 156 7 to 8 ms, and 4 to 6 in 64 KB.
const PIECE_BYTES = 2048;
// A header of 10 bytes and a trailer of 8.
const MIN_GZIP_BYTES = 18;

const GRANT_EVENT = "connection_established";
const BATCH_EVENT = "message_batch";
// The names that socket.io-parser 4.2.7 refuses in a packet (build/esm/index.js), for a handler takes them as news of
// the connection itself. It does not look into batches.
const RESERVED: ReadonlySet<unknown> = new Set([
  "connect",
  "connect_error",
  "disconnect",
  "disconnecting",
  "newListener",
  "removeListener",
]);

/** A payload or batch that claims to be format 2 and is not: cut, forged or too large. */
export class DecodeError extends Error {
  override readonly name = "DecodeError";
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
  readonly io: { readonly engine: unknown };
}

type JsonObject = Record<string, unknown>;

/**
 * Give back what was emitted; needs no settings, since a payload says itself what was done to it.
 *
 * Shape: a payload of any format -> JSON value, or a Promise of it where the payload is gzipped. What is not marked
 * `_v: 2` comes back as it is, but for `dates`. Throws (the Promise: rejects with) DecodeError.
 */
export function decodePayload(payload: unknown, options: DecodeOptions = {}): unknown {
  const { dates = false, maxBytes = MAX_BYTES } = options;
  if (!isMarked(payload)) {
    return dates ? restore(payload, 0, false, dates) : payload;
  }
  const { _v, ...body } = payload;
  if (!isGzipped(payload)) {
    return restore(body, 0, true, dates);
  }
  const packed = bytesOf(body["gz"]);
  if (packed === undefined || Object.keys(body).length !== 1) {
    throw new DecodeError("a gzipped payload holds `_v` and the bytes in `gz`, nothing else");
  }
  return gunzip(packed, maxBytes).then((text) => {
    const inner = parse(text);
    if (isGzipped(inner)) {
      throw new DecodeError("a gzipped payload inside a gzipped payload");
    }
    return decodePayload(inner, options);
  });
}

function isObject(value: unknown): value is JsonObject {
  // By tag, since what comes from another realm (a frame, a test runner's sandbox) is no instance of our Object.
  return tagOf(value) === "Object";
}

function tagOf(value: unknown): string {
  return Object.prototype.toString.call(value).slice("[object ".length, -1);
}

function isMarked(payload: unknown): payload is JsonObject {
  return isObject(payload) && Object.hasOwn(payload, "_v") && payload["_v"] === FORMAT;
}

function isGzipped(payload: unknown): payload is JsonObject {
  return isMarked(payload) && Object.hasOwn(payload, "gz");
}

/** The bytes as socket.io-client hands them over: ArrayBuffer in browsers, Buffer in Node. */
function bytesOf(value: unknown): Uint8Array<ArrayBuffer> | undefined {
  switch (tagOf(value)) {
    case "ArrayBuffer":
      return new Uint8Array(value as ArrayBuffer);
    case "Uint8Array":
      return value as Uint8Array<ArrayBuffer>;
    default:
      return undefined;
  }
}

/** Copy a value; `short` undoes what the server's `abbreviate` did, `dates` makes dates of timestamps. */
function restore(value: unknown, depth: number, short: boolean, dates: boolean): unknown {
  if (depth > MAX_DEPTH) {
    throw new DecodeError(`nested deeper than ${MAX_DEPTH} levels`);
  }
  if (Array.isArray(value)) {
    return value.map((item) => restore(item, depth + 1, short, dates));
  }
  if (!isObject(value)) {
    return value;
  }
  const restored = new Map<string, unknown>();
  for (const [key, item] of Object.entries(value)) {
    const [full, plain] = short ? expandEntry(key, item) : [key, item];
    if (restored.has(full)) {
      throw new DecodeError(`the key ${JSON.stringify(full)} comes twice`);
    }
    const copy = restore(plain, depth + 1, short, dates);
    restored.set(full, dates && TIMESTAMPS.has(full) ? dateFrom(copy) : copy);
  }
  // Defines each key as the object's own, `__proto__` too, where an assignment would call its setter.
  return Object.fromEntries(restored);
}

function expandEntry(key: string, item: unknown): [string, unknown] {
  const full = EXPANSIONS.get(key);
  if (full === undefined) {
    return [key.startsWith(ESCAPE) ? key.slice(ESCAPE.length) : key, item];
  }
  return [full, TIMESTAMPS.has(full) ? isoFromMs(item) : item];
}

function isoFromMs(ms: unknown): string {
  if (!Number.isInteger(ms) || !inYears(ms as number)) {
    throw new DecodeError("a timestamp is a whole number of milliseconds, from year 1 to 9999");
  }
  return new Date(ms as number).toISOString();
}

function dateFrom(value: unknown): unknown {
  const date = typeof value === "string" ? new Date(value) : undefined;
  return date !== undefined && inYears(date.getTime()) && date.toISOString() === value ? date : value;
}

function inYears(ms: number): boolean {
  return MIN_MS <= ms && ms <= MAX_MS;
}

/** Inflate in pieces, so that a bomb is seen before it fills the memory. Rejects with DecodeError. */
async function gunzip(packed: Uint8Array<ArrayBuffer>, maxBytes: number): Promise<string> {
  const { buffer, byteOffset, length } = packed;
  if (length < MIN_GZIP_BYTES) {
    throw new DecodeError("the gzip stream is cut off");
  }
  let at = 0;
  const pieces = new ReadableStream<BufferSource>({
    pull(controller) {
      controller.enqueue(packed.subarray(at, (at += PIECE_BYTES)));
      if (at >= length) {
        controller.close();
      }
    },
  });
  // The last four bytes are the size of what is packed. Node before 24 lets a second stream or bytes behind the first
  // pass; the size gives them away, all but an empty stream in front.
  const size = new DataView(buffer, byteOffset, length).getUint32(length - 4, true);
  try {
    return await readText(pieces.pipeThrough(new DecompressionStream("gzip")), size, maxBytes);
  } catch (error) {
    if (error instanceof DecodeError) {
      throw error;
    }
    throw new DecodeError("not one whole gzip stream of UTF-8", { cause: error });
  }
}

async function readText(stream: ReadableStream<Uint8Array>, size: number, maxBytes: number): Promise<string> {
  // Without ignoreBOM it would drop a byte order mark, which JSON does not allow.
  const utf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
  const reader = stream.getReader();
  let text = "";
  let count = 0;
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) {
        break;
      }
      count += value.length;
      if (count > maxBytes) {
        throw new DecodeError(`inflates to more than ${maxBytes} bytes`);
      }
      text += utf8.decode(value, { stream: true });
    }
  } finally {
    reader.cancel().catch(() => undefined);
  }
  if (count !== size) {
    throw new DecodeError("bytes follow the gzip stream");
  }
  return text + utf8.decode();
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new DecodeError("not JSON", { cause: error });
  }
}

// Private in socket.io-client's Socket, and the same in 3.1.3, 4.0.0 (build/socket.js) and 4.8.4 (build/esm/socket.js):
// onpacket calls onevent with each event; onevent adds the ack and calls emitEvent, or keeps the event until the
// connection stands; emitEvent calls the onAny listeners and the handlers. onpacket calls onack with each answer to an
// event of ours; one that nobody waits for, or no longer, as after a disconnect, is nothing to onack.
interface SocketInside extends SocketLike {
  onevent(packet: Packet): void;
  onack(packet: Packet): void;
  emitEvent(args: unknown[]): void;
}

interface Packet {
  readonly data?: unknown[];
  readonly id?: number;
}

interface Connection {
  readonly engine: unknown;
  id: string | undefined;
  granted: boolean;
  /** Granted to the one before, until the server confirms this one. */
  inherited: boolean;
}

interface Job {
  readonly packet: Packet;
  readonly connection: Connection;
  readonly encoded: boolean;
  readonly isBatch: boolean;
  readonly isAck: boolean;
}

const attached = new WeakSet<object>();

/**
 * Give a socket's handlers decoded data, from the server's grant of format 2 until the connection ends.
 *
 * Shape: socket.io-client's `Socket` -> the same. Batches come as single events, in order, acks among them; what
 * cannot be decoded is dropped and told to `onError`. Call it before the socket connects, as right after `io()`; a
 * second call for the same socket changes nothing.
 */
export function attach<S extends SocketLike>(socket: S, options: AttachOptions = {}): S {
  if (attached.has(socket)) {
    return socket;
  }
  attached.add(socket);
  const { onError = console.error } = options;
  const inside = socket as SocketLike as SocketInside;
  const onevent = inside.onevent.bind(socket);
  const onack = inside.onack.bind(socket);
  const waiting: Job[] = [];
  let batch: Job[] = []; // what is left of the one being delivered, last first
  let inflating = false;
  let newest: Connection = { engine: undefined, id: undefined, granted: false, inherited: false };

  // Read off the socket, since a listener would go with an application's socket.off(). Each time it opens, the manager
  // makes a new engine; each time the server confirms a namespace, the socket gets a new id, which a disconnect takes
  // away. Events may come before the confirmation.
  function current(): Connection {
    const { id } = socket;
    const { engine } = socket.io;
    if (newest.engine !== engine || (newest.id !== undefined && newest.id !== id)) {
      // A namespace that is left and joined again: what comes before the confirmation is still encoded.
      const inherited = newest.granted && newest.engine === engine && id === undefined;
      newest = { engine, id, granted: inherited, inherited };
    } else if (newest.inherited && id !== undefined) {
      newest.granted = newest.inherited = false;
    }
    newest.id = id;
    return newest;
  }

  function work(): void {
    while (!inflating) {
      const job = batch.pop() ?? waiting.shift();
      if (job === undefined) {
        return;
      }
      const [event, ...payloads] = job.packet.data ?? [];
      if (job.isAck) {
        surface(() => onack(job.packet));
      } else if (!job.encoded) {
        deliver(job.packet, job.connection);
      } else if (payloads.some(isGzipped)) {
        inflating = true;
        void inflate(job, event, payloads).then(() => {
          inflating = false;
          work();
        });
      } else {
        try {
          take(job, event, payloads.map((payload) => decode(job, payload)));
        } catch (error) {
          fail(error, event);
        }
      }
    }
  }

  async function inflate(job: Job, event: unknown, payloads: unknown[]): Promise<void> {
    try {
      const args: unknown[] = [];
      for (const payload of payloads) {
        args.push(await decode(job, payload));
      }
      take(job, event, args);
    } catch (error) {
      fail(error, event);
    }
  }

  // Dates are made of each message in a batch, not of the batch around them.
  function decode(job: Job, payload: unknown): unknown {
    return decodePayload(payload, job.isBatch ? { ...options, dates: false } : options);
  }

  function take(job: Job, event: unknown, args: unknown[]): void {
    if (job.isBatch) {
      batch = unpack(args[0])
        .map((data) => ({ ...job, packet: { ...job.packet, data }, isBatch: false }))
        .reverse();
    } else if (RESERVED.has(event)) {
      throw new DecodeError("the event's name is reserved");
    } else {
      deliver({ ...job.packet, data: [event, ...args] }, job.connection);
    }
  }

  function deliver(packet: Packet, connection: Connection): void {
    surface(() => {
      if (current() === connection) {
        onevent(packet);
      } else {
        // The connection ended while the event waited: onevent would keep it for the next one, and its ack would
        // answer the next one's server.
        const ack = packet.id == null ? [] : [() => undefined];
        inside.emitEvent([...(packet.data ?? []), ...ack]);
      }
    });
  }

  function fail(error: unknown, event: unknown): void {
    surface(() => onError(error as DecodeError, String(event)));
  }

  inside.onevent = (packet) => {
    const connection = current();
    const { data = [], id } = packet;
    const [event, grant] = data;
    const encoded = connection.granted;
    // The server puts an application's own event of this name into a batch, unless it has an ack or more arguments.
    const isBatch = encoded && event === BATCH_EVENT && data.length === 2 && id == null;
    waiting.push({ packet, connection, encoded, isBatch, isAck: false });
    if (event === GRANT_EVENT && isObject(grant) && grant["format"] === FORMAT) {
      connection.granted = true;
      connection.inherited = false;
    }
    work();
  };
  // Never encoded; but it must not overtake an event that is inflating.
  inside.onack = (packet) => {
    waiting.push({ packet, connection: current(), encoded: false, isBatch: false, isAck: true });
    work();
  };
  return socket;
}

/** The events in a batch, each with its arguments, still encoded. */
function unpack(envelope: unknown): unknown[][] {
  if (!isObject(envelope) || envelope["batch"] !== true || !Array.isArray(envelope["messages"])) {
    throw new DecodeError("a batch holds `batch: true` and a list of `messages`");
  }
  return envelope["messages"].map((message: unknown) => {
    if (!isObject(message) || typeof message["e"] !== "string") {
      throw new DecodeError("a message in a batch has its event's name in `e`");
    }
    // `o`, where there is one, is the offset by which socket.io-client names an event that it has had: its last argument.
    return ["e", "d", "o"].filter((key) => Object.hasOwn(message, key)).map((key) => message[key]);
  });
}

/** Call an application's handler; an error of its own becomes an unhandled rejection, as under socket.io-client. */
function surface(call: () => void): void {
  try {
    call();
  } catch (error) {
    void Promise.reject(error);
  }
}
