// Snapshots with the real client's Manager and parser: what is kept, for how long, and what the server is told.
import assert from "node:assert/strict";
import { test } from "node:test";

import { Manager } from "socket.io-client";

import { rows } from "../rows.js";
import { keeping, Snapshots } from "../snapshots.js";

const version = (number) => `version-${number}`.padEnd(16, "x");

/** localStorage's interface over a Map; `full` from so many items on. */
class Shelf {
  items = new Map();
  full = Infinity;
  get length() {
    return this.items.size;
  }
  key(index) {
    return Array.from(this.items.keys())[index] ?? null;
  }
  getItem(name) {
    return this.items.get(name) ?? null;
  }
  setItem(name, text) {
    if (this.items.size >= this.full) {
      throw new DOMException("full", "QuotaExceededError");
    }
    this.items.set(name, text);
  }
  removeItem(name) {
    this.items.delete(name);
  }
}

/** Both halves of a connection as a Manager makes them, and what came out. */
function connection(snapshots, inner) {
  const { Encoder, Decoder } = keeping(Manager, snapshots, inner);
  const encoder = new Encoder();
  const decoder = new Decoder();
  const heard = [];
  const listener = ({ nsp, data }) => heard.push([nsp, data]);
  decoder.on("decoded", listener);
  return {
    heard,
    decoder,
    listener,
    connect: (nsp = "/", data = undefined) => encoder.encode({ type: 0, nsp, data }),
    send: (packet) => encoder.encode(packet),
    receive: (...frames) => frames.forEach((frame) => decoder.add(frame)),
  };
}

const keep = (number, data, key = "k", nsp = "") =>
  `2${nsp && `${nsp},`}["+","${version(number)}","${key}","profile",${JSON.stringify(data)}]`;
const same = (number, nsp = "") => `2${nsp && `${nsp},`}["=","${version(number)}"]`;

test("what is kept is named at the next connection and handed out when it is unchanged", () => {
  const snapshots = new Snapshots();
  const first = connection(snapshots);
  assert.deepEqual(first.connect("/", { token: "t" }), ['0{"token":"t","reznet_held":[]}']);
  first.receive(keep(1, { a: 1 }), same(1), '2["profile",{"a":2}]');
  assert.deepEqual(first.heard, [1, 1, 2].map((a) => ["/", ["profile", { a }]]));
  const second = connection(snapshots, rows(Manager));
  assert.deepEqual(second.connect(), [`0{"reznet_held":["${version(1)}"]}`]);
  second.receive(`!%${same(1)}`, "#%%");
  assert.deepEqual(second.heard, [["/", ["profile", { a: 1 }]], ["/", ["profile", { a: 1 }]]]);
});

test("a handler may change what it gets", () => {
  const { heard, connect, receive } = connection(new Snapshots());
  connect();
  receive(keep(1, { list: [1] }));
  heard[0][1][1].list.push(2);
  receive(same(1));
  heard[1][1][1].list.push(3);
  receive(same(1));
  assert.deepEqual(heard[2][1][1], { list: [1] });
});

test("what was told to the server is held until the connection ends, whatever comes in its place", () => {
  const snapshots = new Snapshots({ maxCount: 1 });
  const first = connection(snapshots);
  first.connect();
  first.receive(keep(1, "one"), keep(2, "two"), keep(3, "other", "key"), same(1), same(2), same(3));
  assert.deepEqual(first.heard.map(([, [, data]]) => data), ["one", "two", "other", "one", "two", "other"]);
  snapshots.clear();
  first.receive(same(2));
  assert.equal(first.heard.at(-1)[1][1], "two");
  first.decoder.destroy();
  first.connect();
  first.receive(same(2));
  assert.deepEqual(first.heard.at(-1)[1], ["=", version(2)]);
});

test("namespaces are told apart", () => {
  const snapshots = new Snapshots();
  const first = connection(snapshots);
  first.connect("/chat");
  first.receive(keep(1, 1, "k", "/chat"), keep(2, 2));
  const second = connection(snapshots);
  assert.deepEqual(second.connect("/chat"), [`0/chat,{"reznet_held":["${version(1)}"]}`]);
  assert.deepEqual(second.connect("/"), [`0{"reznet_held":["${version(2)}"]}`]);
});

test("a newer version takes the place of the older, and the least lately used make room", () => {
  const snapshots = new Snapshots({ maxCount: 2, maxChars: 20 });
  const first = connection(snapshots);
  first.connect();
  first.receive(keep(1, "a1", "a"), keep(2, "a2", "a"), keep(3, "b", "b"), same(2), keep(4, "c", "c"));
  assert.deepEqual(snapshots.list("/").map((one) => one.version), [version(2), version(4)]);
  first.receive(keep(5, "x".repeat(30), "d"));
  assert.deepEqual(snapshots.list("/"), []);
});

test("a storage keeps them over a reload, and what is not whole in it is thrown away", () => {
  const storage = new Shelf();
  storage.setItem("theme", "dark");
  storage.setItem("reznet:cut", '{"version":"');
  storage.setItem(`reznet:${version(9)}`, JSON.stringify({ version: version(8) }));
  const first = connection(new Snapshots({ storage }));
  first.connect();
  first.receive(keep(1, { a: 1 }), keep(2, { a: 2 }, "other"), keep(3, { a: 3 }));
  const after = new Snapshots({ storage });
  assert.equal(after.size, 2);
  const second = connection(after);
  second.connect();
  second.receive(same(3), same(2));
  assert.deepEqual(second.heard.map(([, [, data]]) => data.a), [3, 2]);
  after.clear();
  assert.deepEqual(Array.from(storage.items.keys()), ["theme"]);
});

test("a storage that is full costs nothing but the reload", () => {
  const storage = new Shelf();
  storage.full = 1;
  const snapshots = new Snapshots({ storage });
  const first = connection(snapshots);
  first.connect();
  first.receive(keep(1, 1, "a"), keep(2, 2, "b"), same(2));
  assert.equal(first.heard.at(-1)[1][1], 2);
  assert.equal(snapshots.size, 2);
  assert.equal(new Snapshots({ storage }).size, 1);
});

test("what was never told, other events of those names, questions and acks come as they are", () => {
  const { heard, connect, receive, send } = connection(new Snapshots());
  connect();
  const packets = ['["=","never-told-xxxxx"]', '["=",7]', '["+",1,2]', '["+","short","k","e",1]', '["+","version-1xxxxxxx","k","connect",1]'];
  receive(...packets.map((packet) => `2${packet}`), `27${packets[0]}`, "3[1]");
  assert.deepEqual(heard.map(([, data]) => data), [...packets, packets[0], "[1]"].map((packet) => JSON.parse(packet)));
  assert.deepEqual(send({ type: 2, nsp: "/", data: ["+", "x"] }), ['2["+","x"]']);
});

test("a server that sends too much is not believed to be kept", () => {
  const { heard, connect, receive } = connection(new Snapshots());
  connect();
  const large = "x".repeat(1024 * 1024);
  receive(keep(1, large, "a"), keep(2, large, "b"), same(1), same(2));
  assert.deepEqual(heard.map(([, [event]]) => event), ["profile", "profile", "profile", "="]);
});

test("a listener that leaves hears nothing more", () => {
  const { heard, connect, receive, decoder, listener } = connection(new Snapshots());
  connect();
  decoder.off("decoded", listener);
  receive('2["profile",1]');
  assert.deepEqual(heard, []);
});
