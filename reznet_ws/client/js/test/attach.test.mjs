import assert from "node:assert/strict";
import { once } from "node:events";
import { mock, test } from "node:test";
import { gzipSync } from "node:zlib";

import { Manager } from "socket.io-client";

import { attach, DecodeError } from "../reznet.js";
import { encode, pack } from "./encode.mjs";

// As in socket.io-parser.
const [CONNECT, DISCONNECT, EVENT] = [0, 1, 2];
const GRANT = { format: 2, server: "reznet" };

/** The real client's Socket; only the transport under it is missing, and packets are handed over as if it had one. */
class Client {
  heard = [];
  errors = [];
  sent = [];

  constructor({ connected = true, granted = true, ...options } = {}) {
    this.manager = new Manager("http://127.0.0.1", { autoConnect: false });
    this.newEngine();
    this.socket = this.manager.socket("/");
    this.result = attach(this.socket, { onError: (error, event) => this.errors.push([event, error]), ...options });
    this.socket.onAny((...args) => this.heard.push(args));
    if (connected) {
      this.connect("sid-1");
    }
    if (granted) {
      this.event("connection_established", GRANT);
      this.heard.length = 0;
    }
  }

  newEngine() {
    this.manager.engine = { write: (text) => this.sent.push(text), close: () => undefined };
  }

  packet(type, data, id) {
    this.socket.onpacket({ type, nsp: "/", data, ...(id !== undefined && { id }) });
  }

  connect(sid) {
    this.packet(CONNECT, { sid });
  }

  event(...data) {
    this.packet(EVENT, data);
  }

  batch(...messages) {
    this.event("message_batch", { batch: true, messages });
  }

  /** Waits until what was received before is delivered. */
  async settled() {
    const heard = once(this.socket, "settled");
    this.event("settled");
    await heard;
    this.heard.pop();
  }
}

const SHORT = { mid: "1", m: { mdl: "x" }, _v: 2 };
const FULL = { message_id: "1", metadata: { model: "x" } };
const gzipped = (text) => pack({ content: text });
const inflated = (text) => ({ content: text });

// The grant

test("attach gives the socket back", () => {
  const client = new Client();
  assert.equal(client.result, client.socket);
});

test("before the grant everything passes untouched", async () => {
  const client = new Client({ granted: false });
  const batch = { batch: true, messages: [{ e: "a" }] };
  const { gz } = gzipped("x");
  client.event("new", SHORT);
  client.event("message_batch", batch);
  client.event("new", { _v: 2, gz });
  assert.equal(client.heard[0][1], SHORT);
  assert.equal(client.heard[1][1], batch);
  assert.equal(client.heard[2][1].gz, gz);
});

test("a grant of format 1 leaves everything untouched", () => {
  for (const grant of [{ format: 1 }, { format: "2" }, { status: "connected" }, 2, null, undefined]) {
    const client = new Client({ granted: false });
    client.event("connection_established", grant);
    client.event("new", SHORT);
    assert.equal(client.heard[1][1], SHORT);
  }
});

test("after the grant every argument is decoded", () => {
  const client = new Client();
  const bytes = Buffer.from([1]);
  client.event("new", SHORT, "text", [SHORT], bytes, { c: bytes, _v: 2 }, null);
  assert.deepEqual(client.heard, [["new", FULL, "text", [SHORT], bytes, { content: bytes }, null]]);
});

test("the grant itself passes untouched", () => {
  const client = new Client({ granted: false });
  const grant = { format: 2, _v: 2, mid: "1" };
  client.event("connection_established", grant);
  assert.equal(client.heard[0][1], grant);
});

test("after the grant an application's own event of that name is decoded like any other", () => {
  const client = new Client();
  client.event("connection_established", { s: "connected", format: 1, _v: 2 });
  client.event("new", SHORT);
  assert.deepEqual(client.heard, [["connection_established", { status: "connected", format: 1 }], ["new", FULL]]);
});

test("a grant and events that come before the connection is confirmed wait for it, decoded", async () => {
  const client = new Client({ connected: false, granted: false });
  client.event("connection_established", GRANT);
  client.event("first", gzipped("a"));
  client.event("second", SHORT);
  client.event("third", gzipped("b"));
  assert.deepEqual(client.heard, []);
  client.connect("sid-1");
  assert.deepEqual(client.heard, [["connection_established", GRANT]]);
  await client.settled();
  assert.deepEqual(client.heard.slice(1), [["first", inflated("a")], ["second", FULL], ["third", inflated("b")]]);
});

test("a disconnect by the server forgets the grant, on the same connection too", () => {
  const client = new Client();
  client.packet(DISCONNECT);
  client.connect("sid-2");
  client.event("new", SHORT);
  client.event("connection_established", GRANT);
  client.event("new", SHORT);
  assert.equal(client.heard[0][1], SHORT);
  assert.deepEqual(client.heard[2][1], FULL);
});

test("what comes before a namespace joined again is confirmed is decoded, what comes after it only once granted", () => {
  const client = new Client();
  client.packet(DISCONNECT);
  client.event("early", SHORT);
  assert.deepEqual(client.heard, []);
  client.connect("sid-2");
  client.event("late", SHORT);
  assert.deepEqual(client.heard[0], ["early", FULL]);
  assert.equal(client.heard[1][1], SHORT);
});

test("a new connection forgets the grant, before it is confirmed too", () => {
  const client = new Client({ connected: false });
  client.newEngine();
  client.event("new", SHORT);
  client.connect("sid-2");
  const [[, granted], [, untouched]] = client.heard;
  assert.equal(granted, GRANT);
  assert.equal(untouched, SHORT);
});

test("each socket has a grant of its own", () => {
  const client = new Client();
  const other = attach(client.manager.socket("/other"));
  const heard = [];
  other.onAny((...args) => heard.push(args));
  other.onpacket({ type: CONNECT, nsp: "/other", data: { sid: "sid-2" } });
  other.onpacket({ type: EVENT, nsp: "/other", data: ["new", SHORT] });
  assert.equal(heard[0][1], SHORT);
});

test("an application that takes all its handlers away keeps the decoder", () => {
  const client = new Client();
  client.socket.off();
  client.socket.on("new", (data) => client.heard.push(["again", data]));
  client.event("new", SHORT);
  client.packet(DISCONNECT);
  client.connect("sid-2");
  client.event("new", SHORT);
  assert.deepEqual(client.heard.filter(([event]) => event === "again"), [["again", FULL], ["again", SHORT]]);
});

test("a second attach changes nothing", () => {
  const client = new Client({ granted: false });
  assert.equal(attach(client.socket), client.socket);
  client.event("connection_established", GRANT);
  client.event("new", { "~_v": 2, "~mid": 3, _v: 2 });
  assert.deepEqual(client.heard[1], ["new", { _v: 2, mid: 3 }]);
});

test("options reach the decoder", async () => {
  const client = new Client({ dates: true, maxBytes: 100 });
  client.event("new", { ts: 0, _v: 2 });
  client.event("large", gzipped("x".repeat(100)));
  client.batch({ e: "new", d: { created_at: "1970-01-01T00:00:00.000Z", list: [{ "~ts": 1 }] } });
  await client.settled();
  const epoch = new Date(0);
  assert.deepEqual(client.heard, [
    ["new", { created_at: epoch }],
    ["new", { created_at: epoch, list: [{ "~ts": 1 }] }],
  ]);
  assert.match(client.errors[0][1].message, /more than 100 bytes/);
});

// Batches

test("a batch comes as single events, in order", () => {
  const client = new Client();
  client.batch({ e: "a", d: SHORT }, { e: "b" }, { e: "c", d: null }, { e: "a", d: "text" });
  client.event("d");
  assert.deepEqual(client.heard, [["a", FULL], ["b"], ["c", null], ["a", "text"], ["d"]]);
});

test("an empty batch is no event", () => {
  const client = new Client();
  client.batch();
  assert.deepEqual([client.heard, client.errors], [[], []]);
});

test("a batch may be abbreviated or gzipped as a whole", async () => {
  const client = new Client();
  const envelope = { batch: true, messages: [{ e: "a", d: SHORT }, { e: "b", d: { content: "plain" } }] };
  client.event("message_batch", encode(envelope));
  client.event("message_batch", pack(envelope));
  client.event("c");
  await client.settled();
  const both = [["a", FULL], ["b", { content: "plain" }]];
  assert.deepEqual(client.heard, [...both, ...both, ["c"]]);
});

test("with dates a batch takes messages as deep as they are alone", () => {
  const client = new Client({ dates: true });
  const deep = JSON.parse(`{"_v":2,"a":${"[".repeat(255)}1${"]".repeat(255)}}`);
  client.batch({ e: "deep", d: deep });
  assert.deepEqual([client.heard.length, client.errors], [1, []]);
});

test("a message in a batch that poses as news of the connection is dropped alone", () => {
  const client = new Client();
  client.batch({ e: "a" }, { e: "disconnect", d: "transport close" }, { e: "connect" }, { e: "b" });
  assert.deepEqual(client.heard, [["a"], ["b"]]);
  assert.deepEqual(client.errors.map(([event]) => event), ["disconnect", "connect"]);
});

test("a message in a batch that cannot be decoded is dropped alone", async () => {
  const client = new Client();
  client.batch(
    { e: "a", d: { mid: 1, message_id: 2, _v: 2 } },
    { e: "b", d: { _v: 2, gz: Buffer.from("no gzip, but long enough for it") } },
    { e: "c", d: SHORT },
  );
  await client.settled();
  assert.deepEqual(client.heard, [["c", FULL]]);
  assert.deepEqual(client.errors.map(([event]) => event), ["a", "b"]);
});

const MALFORMED = {
  "null for an envelope": null,
  "a list for an envelope": [{ e: "a" }],
  "an envelope that is not marked": { messages: [{ e: "a" }] },
  "an envelope marked with 1": { batch: 1, messages: [{ e: "a" }] },
  "an envelope without messages": { batch: true },
  "an object for the messages": { batch: true, messages: { 0: { e: "a" } } },
  "an envelope that cannot be decoded": { _v: 2, gz: 1 },
  "a message that is null": { batch: true, messages: [{ e: "a" }, null] },
  "a message without a name": { batch: true, messages: [{ e: "a" }, { d: 1 }] },
  "a message whose name is no string": { batch: true, messages: [{ e: "a" }, { e: ["a"] }] },
};

for (const [name, envelope] of Object.entries(MALFORMED)) {
  test(`${name} is refused whole, and the next event comes`, async () => {
    const client = new Client();
    client.event("message_batch", envelope);
    client.event("next");
    await client.settled();
    assert.deepEqual(client.heard, [["next"]]);
    const [[event, error]] = client.errors;
    assert.equal(event, "message_batch");
    assert.ok(error instanceof DecodeError);
  });
}

test("an application's own message_batch comes as any event does", () => {
  const client = new Client();
  const envelope = { batch: true, messages: [{ e: "a", d: SHORT }] };
  client.batch({ e: "message_batch", d: envelope }, { e: "message_batch", d: SHORT });
  client.event("message_batch", SHORT, SHORT);
  client.event("message_batch");
  client.socket.on("message_batch", (...args) => args.pop()?.("taken"));
  client.packet(EVENT, ["message_batch", SHORT], 1);
  const [asked] = client.heard.splice(4);
  assert.deepEqual(asked.slice(0, 2), ["message_batch", FULL]);
  assert.deepEqual(client.sent, ['31["taken"]']);
  assert.deepEqual(client.heard, [
    ["message_batch", envelope],
    ["message_batch", FULL],
    ["message_batch", FULL, FULL],
    ["message_batch"],
  ]);
});

// Order

test("events wait behind a payload that is inflating", async () => {
  const client = new Client();
  client.event("before", SHORT);
  client.event("slow", gzipped("x".repeat(500_000)));
  client.event("plain");
  client.batch({ e: "a", d: SHORT }, { e: "b", d: gzipped("in a batch") }, { e: "c" });
  client.event("connection_established", GRANT);
  client.event("fast", gzipped("y"), SHORT, gzipped("z"));
  client.event("last", SHORT);
  assert.deepEqual(client.heard, [["before", FULL]]);
  await client.settled();
  assert.deepEqual(client.heard, [
    ["before", FULL],
    ["slow", inflated("x".repeat(500_000))],
    ["plain"],
    ["a", FULL],
    ["b", inflated("in a batch")],
    ["c"],
    ["connection_established", GRANT],
    ["fast", inflated("y"), FULL, inflated("z")],
    ["last", FULL],
  ]);
});

test("without gzip an event is delivered at once, also after one that was inflating", async () => {
  const client = new Client();
  client.event("slow", gzipped("x"));
  await client.settled();
  client.event("new", SHORT);
  assert.equal(client.heard.length, 2);
});

test("what a handler receives while it runs comes after the rest of the batch", () => {
  const client = new Client();
  client.socket.once("a", () => client.event("c"));
  client.batch({ e: "a" }, { e: "b" });
  assert.deepEqual(client.heard, [["a"], ["b"], ["c"]]);
});

// Acks

test("acks are sent at once and after waiting", async () => {
  const client = new Client();
  client.socket.on("question", (data, ack) => ack(data));
  client.packet(EVENT, ["question", SHORT], 7);
  assert.deepEqual(client.sent, [`37[${JSON.stringify(FULL)}]`]);
  client.packet(EVENT, ["question", gzipped("slow")], 8);
  client.packet(EVENT, ["question", "waits"], 9);
  await client.settled();
  assert.deepEqual(client.sent.slice(1), ['38[{"content":"slow"}]', '39["waits"]']);
});

test("an ack before the grant is sent too", () => {
  const client = new Client({ granted: false });
  client.socket.on("question", (data, ack) => ack(data));
  client.packet(EVENT, ["question", SHORT], 0);
  assert.deepEqual(client.sent, [`30[${JSON.stringify(SHORT)}]`]);
});

test("what waits when the connection ends is delivered, and its ack stays unsent", async () => {
  for (const next of [() => undefined, (client) => client.connect("sid-2")]) {
    const client = new Client();
    client.socket.on("question", (data, ack) => ack(data));
    client.event("slow", gzipped("x"));
    client.packet(EVENT, ["question", SHORT], 1);
    client.batch({ e: "a", d: gzipped("y") });
    client.packet(DISCONNECT);
    next(client);
    const delivered = once(client.socket, "a");
    assert.deepEqual(await delivered, [inflated("y")]);
    assert.deepEqual(client.heard.map(([event]) => event), ["slow", "question", "a"]);
    assert.deepEqual(client.heard[1][1], FULL);
    assert.deepEqual(client.sent, []);
  }
});

// Errors

test("an event that cannot be decoded is dropped and told, and the rest go on", async () => {
  const client = new Client();
  client.event("bad", { ts: "now", _v: 2 });
  client.event("cut", { _v: 2, gz: gzipSync("{}").subarray(0, -1) }, { _v: 2, gz: 1 });
  client.event("good", SHORT);
  await client.settled();
  assert.deepEqual(client.heard, [["good", FULL]]);
  assert.deepEqual(client.errors.map(([event]) => event), ["bad", "cut"]);
  assert.ok(client.errors.every(([, error]) => error instanceof DecodeError));
});

test("without onError the console is told", () => {
  const told = mock.method(console, "error", () => undefined);
  const client = new Client({ onError: undefined });
  client.event("bad", { ts: "now", _v: 2 });
  told.mock.restore();
  const [error, event] = told.mock.calls[0].arguments;
  assert.ok(error instanceof DecodeError);
  assert.equal(event, "bad");
});

test("a handler that throws keeps nothing back, and its error surfaces", async () => {
  const broken = new Error("the application's own");
  const throwing = () => {
    throw broken;
  };
  const client = new Client({ onError: throwing });
  client.socket.on("a", throwing);
  const runners = process.listeners("unhandledRejection");
  process.removeAllListeners("unhandledRejection");
  const surfaced = [];
  process.on("unhandledRejection", (error) => surfaced.push(error));
  client.batch({ e: "a" }, { e: "b" }, { e: "bad", d: { ts: "now", _v: 2 } }, { e: "c" });
  client.event("a", gzipped("x"));
  client.event("d");
  await client.settled();
  await new Promise(setImmediate);
  process.removeAllListeners("unhandledRejection");
  runners.forEach((runner) => process.on("unhandledRejection", runner));
  assert.deepEqual(client.heard.map(([event]) => event), ["a", "b", "c", "a", "d"]);
  assert.deepEqual(surfaced, [broken, broken, broken]);
});
