/**
 * Snapshots at a JavaScript client: what the server marked to keep is kept, named when the client connects again, and
 * handed out when the server says that it is unchanged. docs/formats.md specifies it.
 *
 * In: packets on their way from a parser to socket.io-client. Out: the same, with what was not sent put in again.
 * Never: keeps what the server did not mark, or forgets what it has told the server it holds while that connection lasts.
 */
import type { ManagerLike } from "./rows.js";
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
export declare class Snapshots {
    private readonly kept;
    private readonly storage;
    private readonly prefix;
    private readonly maxCount;
    private readonly maxChars;
    constructor({ storage, prefix, maxCount, maxChars }?: SnapshotOptions);
    /** How many are kept. */
    get size(): number;
    /** Those of one namespace that a connection begins with. */
    list(nsp: string): Snapshot[];
    /** Keep one, in place of an older version of it. */
    keep(snapshot: Snapshot): void;
    /** It was needed: others make room before it does. */
    use(snapshot: Snapshot): void;
    /** Forget all, as when a user leaves; connections that are open go on with what they began with. */
    clear(): void;
    private names;
    private trim;
    private drop;
}
/**
 * The `parser` option of socket.io-client, around another one: `rows(Manager)`, `messagePack(...)`, or by default
 * socket.io-client's own.
 */
export declare function keeping(Manager: ManagerLike, snapshots: Snapshots, parser?: {
    Encoder: unknown;
    Decoder: unknown;
}): {
    Encoder: unknown;
    Decoder: unknown;
};
export {};
