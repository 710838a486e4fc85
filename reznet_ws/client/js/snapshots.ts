/**
 * Snapshots at a JavaScript client: what the server marked to keep is kept, named when the client connects again, and
 * handed out when the server says that it is unchanged. docs/formats.md specifies it.
 *
 * In: packets on their way from a parser to socket.io-client. Out: the same, with what was not sent put in again.
 * Never: keeps what the server did not mark, or forgets what it has told the server it holds while that connection lasts.
 */

import { CONNECT, EVENT, RESERVED_EVENTS } from "./packets.js";
import type { ManagerLike } from "./rows.js";

// As docs/formats.md names them.
const HELD_KEY = "reznet_held";
const KEEP_EVENT = "+";
const SAME_EVENT = "=";
const VERSION = /^[A-Za-z0-9_-]{16}$/;
const MAX_SNAPSHOTS = 256;
// What a server may send to be kept in one connection, and again what it has in its own text instead of ours.
const MAX_KEPT_CHARS = 2 * 1024 * 1024;

interface Snapshot {
  version: string;
  nsp: string;
  event: string;
  key: string;
  /** The data as JSON, so that nobody's handler changes what is kept. */
  text: string;
}

export interface SnapshotOptions {
  /** `localStorage`, so that a reload finds what was kept; whoever uses the same browser can read it. */
  storage?: Pick<Storage, "getItem" | "setItem" | "removeItem" | "key" | "length"> | undefined;
  /** What the names in `storage` begin with; one for each server and user. */
  prefix?: string | undefined;
  /** How many are kept between connections, at most; 256 can be named. */
  maxCount?: number | undefined;
  /** How many characters all of them have, at most. */
  maxChars?: number | undefined;
}

/** What is kept, the least lately used first; one for all connections to a server. */
export class Snapshots {
  private readonly kept = new Map<string, Snapshot>();
  private readonly storage: SnapshotOptions["storage"];
  private readonly prefix: string;
  private readonly maxCount: number;
  private readonly maxChars: number;

  constructor({ storage, prefix = "reznet", maxCount = 128, maxChars = 1024 * 1024 }: SnapshotOptions = {}) {
    this.storage = storage;
    this.prefix = `${prefix}:`;
    this.maxCount = Math.min(maxCount, MAX_SNAPSHOTS);
    this.maxChars = maxChars;
    for (const name of this.names()) {
      const snapshot = read(storage?.getItem(name));
      if (snapshot !== undefined && name === this.prefix + snapshot.version) {
        this.kept.set(snapshot.version, snapshot);
      } else {
        storage?.removeItem(name);
      }
    }
    this.trim();
  }

  /** How many are kept. */
  get size(): number {
    return this.kept.size;
  }

  /** Those of one namespace that a connection begins with. */
  list(nsp: string): Snapshot[] {
    this.trim();
    return Array.from(this.kept.values()).filter((snapshot) => snapshot.nsp === nsp);
  }

  /** Keep one, in place of an older version of it. */
  keep(snapshot: Snapshot): void {
    const { nsp, event, key } = snapshot;
    for (const old of this.kept.values()) {
      if (old.nsp === nsp && old.event === event && old.key === key) {
        this.drop(old.version);
      }
    }
    this.kept.set(snapshot.version, snapshot);
    try {
      this.storage?.setItem(this.prefix + snapshot.version, JSON.stringify(snapshot));
    } catch {
      // Full, or not allowed: it is kept as long as the page is.
    }
  }

  /** It was needed: others make room before it does. */
  use(snapshot: Snapshot): void {
    if (this.kept.delete(snapshot.version)) {
      this.kept.set(snapshot.version, snapshot);
    }
  }

  /** Forget all, as when a user leaves; connections that are open go on with what they began with. */
  clear(): void {
    this.kept.clear();
    this.names().forEach((name) => this.storage?.removeItem(name));
  }

  private names(): string[] {
    const { storage } = this;
    const names = Array.from({ length: storage?.length ?? 0 }, (_, index) => storage?.key(index) ?? "");
    return names.filter((name) => name.startsWith(this.prefix));
  }

  private trim(): void {
    let chars = 0;
    const newestFirst = Array.from(this.kept.values()).reverse();
    newestFirst.forEach((snapshot, index) => {
      chars += snapshot.text.length;
      if (index >= this.maxCount || chars > this.maxChars) {
        this.drop(snapshot.version);
      }
    });
  }

  private drop(version: string): void {
    this.kept.delete(version);
    this.storage?.removeItem(this.prefix + version);
  }
}

function read(stored: string | null | undefined): Snapshot | undefined {
  try {
    const snapshot = JSON.parse(stored ?? "");
    const isWhole = ["version", "nsp", "event", "key", "text"].every((name) => typeof snapshot[name] === "string");
    JSON.parse(snapshot.text);
    return isWhole && VERSION.test(snapshot.version) ? snapshot : undefined;
  } catch {
    return undefined; // of somebody else, or cut
  }
}

/** A packet of socket.io-client's. */
interface Packet {
  type: number;
  nsp: string;
  id?: number | undefined;
  data?: any;
}

type Listener = (packet: Packet) => void;

interface Parser {
  Encoder: new () => { encode(packet: Packet): unknown };
  Decoder: new () => {
    add(data: unknown): void;
    destroy(): void;
    on(event: string, listener: Listener): unknown;
    off(event: string, listener?: Listener): unknown;
  };
}

/**
 * The `parser` option of socket.io-client, around another one: `rows(Manager)`, `messagePack(...)`, or by default
 * socket.io-client's own.
 */
export function keeping(
  Manager: ManagerLike,
  snapshots: Snapshots,
  parser?: { Encoder: unknown; Decoder: unknown },
): { Encoder: unknown; Decoder: unknown } {
  const stock = new Manager({ autoConnect: false }) as { encoder: object; decoder: object };
  const inner = (parser ?? { Encoder: stock.encoder.constructor, Decoder: stock.decoder.constructor }) as Parser;
  // What the server was told that this connection holds. A manager makes both halves one after the other.
  let latest = new Map<string, Snapshot>();

  class Encoder {
    private readonly inner = new inner.Encoder();
    private readonly held = (latest = new Map());

    encode(packet: Packet): unknown {
      if (packet.type !== CONNECT) {
        return this.inner.encode(packet);
      }
      const list = snapshots.list(packet.nsp);
      list.forEach((snapshot) => this.held.set(snapshot.version, snapshot));
      return this.inner.encode({ ...packet, data: { ...packet.data, [HELD_KEY]: list.map(({ version }) => version) } });
    }
  }

  class Decoder {
    private readonly inner = new inner.Decoder();
    private readonly held = latest;
    private readonly opening = new Map<Listener, Listener>();
    private keptChars = 0;

    add(data: unknown): void {
      this.inner.add(data);
    }

    destroy(): void {
      this.inner.destroy();
      this.held.clear();
      this.keptChars = 0;
    }

    on(event: string, listener: Listener): this {
      const opening = (packet: Packet) => listener(this.open(packet));
      this.opening.set(listener, opening);
      this.inner.on(event, opening);
      return this;
    }

    off(event: string, listener: Listener): this {
      this.inner.off(event, this.opening.get(listener));
      this.opening.delete(listener);
      return this;
    }

    /** The packet as it was emitted. */
    private open(packet: Packet): Packet {
      const { type, nsp, id, data } = packet;
      if (type !== EVENT || id !== undefined) {
        return packet;
      }
      if (data.length === 2 && data[0] === SAME_EVENT) {
        const snapshot = this.held.get(data[1]);
        if (snapshot !== undefined) {
          snapshots.use(snapshot);
          return { ...packet, data: [snapshot.event, JSON.parse(snapshot.text)] };
        }
      } else if (data.length === 5 && data[0] === KEEP_EVENT && VERSION.test(data[1])) {
        const [, version, key, event, value] = data;
        if (typeof key !== "string" || typeof event !== "string" || RESERVED_EVENTS.has(event)) {
          return packet;
        }
        const text = JSON.stringify(value);
        this.keptChars += text.length;
        if (this.keptChars <= MAX_KEPT_CHARS && this.held.size < 2 * MAX_SNAPSHOTS) {
          const snapshot = { version, nsp, event, key, text };
          this.held.set(version, snapshot);
          snapshots.keep(snapshot);
        }
        return { ...packet, data: [event, value] };
      }
      return packet;
    }
  }

  return { Encoder, Decoder };
}
