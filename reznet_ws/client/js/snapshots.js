/**
 * Snapshots at a JavaScript client: what the server marked to keep is kept, named when the client connects again, and
 * handed out when the server says that it is unchanged. docs/formats.md specifies it.
 *
 * In: packets on their way from a parser to socket.io-client. Out: the same, with what was not sent put in again.
 * Never: keeps what the server did not mark, or forgets what it has told the server it holds while that connection lasts.
 */
import { CONNECT, EVENT, RESERVED_EVENTS } from "./packets.js";
// As docs/formats.md names them.
const HELD_KEY = "reznet_held";
const KEEP_EVENT = "+";
const SAME_EVENT = "=";
const VERSION = /^[A-Za-z0-9_-]{16}$/;
const MAX_SNAPSHOTS = 256;
// What a server may send to be kept in one connection, and again what it has in its own text instead of ours.
const MAX_KEPT_CHARS = 2 * 1024 * 1024;
/** What is kept, the least lately used first; one for all connections to a server. */
export class Snapshots {
    kept = new Map();
    storage;
    prefix;
    maxCount;
    maxChars;
    constructor({ storage, prefix = "reznet", maxCount = 128, maxChars = 1024 * 1024 } = {}) {
        this.storage = storage;
        this.prefix = `${prefix}:`;
        this.maxCount = Math.min(maxCount, MAX_SNAPSHOTS);
        this.maxChars = maxChars;
        for (const name of this.names()) {
            const snapshot = read(storage?.getItem(name));
            if (snapshot !== undefined && name === this.prefix + snapshot.version) {
                this.kept.set(snapshot.version, snapshot);
            }
            else {
                storage?.removeItem(name);
            }
        }
        this.trim();
    }
    /** How many are kept. */
    get size() {
        return this.kept.size;
    }
    /** Those of one namespace that a connection begins with. */
    list(nsp) {
        this.trim();
        return Array.from(this.kept.values()).filter((snapshot) => snapshot.nsp === nsp);
    }
    /** Keep one, in place of an older version of it. */
    keep(snapshot) {
        const { nsp, event, key } = snapshot;
        for (const old of this.kept.values()) {
            if (old.nsp === nsp && old.event === event && old.key === key) {
                this.drop(old.version);
            }
        }
        this.kept.set(snapshot.version, snapshot);
        try {
            this.storage?.setItem(this.prefix + snapshot.version, JSON.stringify(snapshot));
        }
        catch {
            // Full, or not allowed: it is kept as long as the page is.
        }
    }
    /** It was needed: others make room before it does. */
    use(snapshot) {
        if (this.kept.delete(snapshot.version)) {
            this.kept.set(snapshot.version, snapshot);
        }
    }
    /** Forget all, as when a user leaves; connections that are open go on with what they began with. */
    clear() {
        this.kept.clear();
        this.names().forEach((name) => this.storage?.removeItem(name));
    }
    names() {
        const { storage } = this;
        const names = Array.from({ length: storage?.length ?? 0 }, (_, index) => storage?.key(index) ?? "");
        return names.filter((name) => name.startsWith(this.prefix));
    }
    trim() {
        let chars = 0;
        const newestFirst = Array.from(this.kept.values()).reverse();
        newestFirst.forEach((snapshot, index) => {
            chars += snapshot.text.length;
            if (index >= this.maxCount || chars > this.maxChars) {
                this.drop(snapshot.version);
            }
        });
    }
    drop(version) {
        this.kept.delete(version);
        this.storage?.removeItem(this.prefix + version);
    }
}
function read(stored) {
    try {
        const snapshot = JSON.parse(stored ?? "");
        const isWhole = ["version", "nsp", "event", "key", "text"].every((name) => typeof snapshot[name] === "string");
        JSON.parse(snapshot.text);
        return isWhole && VERSION.test(snapshot.version) ? snapshot : undefined;
    }
    catch {
        return undefined; // of somebody else, or cut
    }
}
/**
 * The `parser` option of socket.io-client, around another one: `rows(Manager)`, `messagePack(...)`, or by default
 * socket.io-client's own.
 */
export function keeping(Manager, snapshots, parser) {
    const stock = new Manager({ autoConnect: false });
    const inner = (parser ?? { Encoder: stock.encoder.constructor, Decoder: stock.decoder.constructor });
    // What the server was told that this connection holds. A manager makes both halves one after the other.
    let latest = new Map();
    class Encoder {
        inner = new inner.Encoder();
        held = (latest = new Map());
        encode(packet) {
            if (packet.type !== CONNECT) {
                return this.inner.encode(packet);
            }
            const list = snapshots.list(packet.nsp);
            list.forEach((snapshot) => this.held.set(snapshot.version, snapshot));
            return this.inner.encode({ ...packet, data: { ...packet.data, [HELD_KEY]: list.map(({ version }) => version) } });
        }
    }
    class Decoder {
        inner = new inner.Decoder();
        held = latest;
        opening = new Map();
        keptChars = 0;
        add(data) {
            this.inner.add(data);
        }
        destroy() {
            this.inner.destroy();
            this.held.clear();
            this.keptChars = 0;
        }
        on(event, listener) {
            const opening = (packet) => listener(this.open(packet));
            this.opening.set(listener, opening);
            this.inner.on(event, opening);
            return this;
        }
        off(event, listener) {
            this.inner.off(event, this.opening.get(listener));
            this.opening.delete(listener);
            return this;
        }
        /** The packet as it was emitted. */
        open(packet) {
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
            }
            else if (data.length === 5 && data[0] === KEEP_EVENT && VERSION.test(data[1])) {
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
