import assert from "node:assert/strict";
import { test } from "node:test";
import { runInNewContext } from "node:vm";
import { gzipSync } from "node:zlib";

import { DecodeError, decodePayload, FIELD_MAP } from "../reznet.js";
import { encode, pack } from "./encode.mjs";

const NOON = "2025-10-25T12:00:00.000Z";
const MESSAGE = {
  message_id: "abc-123",
  channel_id: "xyz-456",
  author_type: "agent",
  author_name: "@backend",
  content: "Response here...",
  created_at: NOON,
  metadata: { model: "claude-3", provider: "anthropic" },
};
const GOLDEN =
  '{"mid":"abc-123","cid":"xyz-456","at":"agent","an":"@backend","c":"Response here...","ts":1761393600000,' +
  '"m":{"mdl":"claude-3","prv":"anthropic"},"_v":2}';

const fromJson = (text, options) => decodePayload(JSON.parse(text), options);
const nested = (levels) => JSON.parse('{"a":'.repeat(levels - 1) + "{}" + "}".repeat(levels - 1));

// Plain and abbreviated payloads

test("the seed's example comes back as it was emitted", () => {
  assert.deepEqual(fromJson(GOLDEN), MESSAGE);
  assert.deepEqual(Object.keys(fromJson(GOLDEN)), Object.keys(MESSAGE));
});

test("with dates the seed's example holds a Date", () => {
  assert.deepEqual(fromJson(GOLDEN, { dates: true }), { ...MESSAGE, created_at: new Date(NOON) });
});

test("what is not marked comes back as it is", () => {
  const objects = [{ mid: 1 }, { _v: 1, mid: 1 }, { _v: "2" }, [{ _v: 2 }], nested(300)];
  for (const payload of [...objects, "text", 2, null, undefined]) {
    assert.equal(decodePayload(payload), payload);
  }
  const inherited = Object.create({ _v: 2, gz: 1 });
  assert.equal(decodePayload(inherited), inherited);
});

test("every key of the map comes back at every depth", () => {
  const item = Object.fromEntries(Object.keys(FIELD_MAP).map((key) => [key, "x"]));
  assert.deepEqual(decodePayload(encode({ list: [[item], { item }] })), { list: [[item], { item }] });
});

test("escaped keys lose one tilde", () => {
  const full = { mid: 1, ts: "x", _v: 2, gz: { gz: 3 }, "~": 4, "~mid": 5, "~~x": 6, plain: 7 };
  const short = '{"~mid":1,"~ts":"x","~_v":2,"~gz":{"~gz":3},"~~":4,"~~mid":5,"~~~x":6,"plain":7,"_v":2}';
  assert.equal(JSON.stringify(encode(full)), short);
  assert.deepEqual(fromJson(short), full);
});

test("a key named __proto__ is a key like any other", () => {
  const text = '{"__proto__":{"mid":1},"constructor":{"toString":2},"_v":2}';
  const full = fromJson(text);
  assert.equal(Object.getPrototypeOf(full), Object.prototype);
  assert.equal(JSON.stringify(full), '{"__proto__":{"message_id":1},"constructor":{"toString":2}}');
});

test("bytes in an abbreviated payload pass untouched", () => {
  for (const bytes of [Buffer.from([1, 2]), new ArrayBuffer(2), new Uint8Array(2)]) {
    assert.equal(decodePayload({ c: bytes, _v: 2 }).content, bytes);
  }
});

test("the payload itself is left as it was", () => {
  const payload = JSON.parse(GOLDEN);
  decodePayload(payload, { dates: true });
  assert.equal(JSON.stringify(payload), GOLDEN);
});

test("objects of another realm are decoded too", async () => {
  assert.deepEqual(decodePayload(runInNewContext(`(${GOLDEN})`)), MESSAGE);
  const { gz } = pack(MESSAGE);
  const foreign = runInNewContext("Uint8Array.from(bytes).buffer", { bytes: [...gz] });
  assert.deepEqual(await decodePayload({ _v: 2, gz: foreign }), MESSAGE);
});

test("timestamps come back from the first to the last millisecond", () => {
  const edges = { "0001-01-01T00:00:00.000Z": -62135596800000, "9999-12-31T23:59:59.999Z": 253402300799999 };
  for (const [iso, ms] of Object.entries({ ...edges, "1970-01-01T00:00:00.000Z": 0 })) {
    assert.deepEqual(decodePayload({ ts: ms, uts: ms, _v: 2 }), { created_at: iso, updated_at: iso });
  }
});

test("dates are the same however the payload travelled", async () => {
  const full = { created_at: NOON, list: [{ updated_at: NOON, status: NOON }] };
  const expected = { created_at: new Date(NOON), list: [{ updated_at: new Date(NOON), status: NOON }] };
  for (const payload of [full, encode(full), pack(full), { _v: 2, gz: gzipSync(JSON.stringify(full)) }]) {
    assert.deepEqual(await decodePayload(payload, { dates: true }), expected);
  }
});

test("with dates a string that no Date gives back stays a string", () => {
  const strings = ["yesterday", "", "2025-10-25", "2025-02-30T00:00:00.000Z", "0000-01-01T00:00:00.000Z"];
  for (const created_at of [...strings, "+010000-01-01T00:00:00.000Z", 1761393600000, null]) {
    assert.deepEqual(decodePayload(encode({ created_at }), { dates: true }), { created_at });
    assert.deepEqual(decodePayload({ created_at }, { dates: true }), { created_at });
  }
});

const FORGED = {
  "a key twice, short and full": '{"mid":1,"message_id":2,"_v":2}',
  "a key twice, escaped and plain": '{"~x":1,"x":2,"_v":2}',
  "__proto__ twice": '{"~__proto__":1,"__proto__":2,"_v":2}',
  "a key twice, deep inside": '{"list":[{"c":1,"content":2}],"_v":2}',
  "a timestamp in words": '{"ts":"2025-10-25T12:00:00.000Z","_v":2}',
  "a timestamp of null": '{"ts":null,"_v":2}',
  "a timestamp of true": '{"uts":true,"_v":2}',
  "a timestamp of endless lists": `{"ts":${"[".repeat(1e5)}${"]".repeat(1e5)},"_v":2}`,
  "half a millisecond": '{"ts":0.5,"_v":2}',
  "before year 1": '{"ts":-62135596800001,"_v":2}',
  "after year 9999": '{"uts":253402300800000,"_v":2}',
  "an infinite timestamp": '{"ts":1e999,"_v":2}',
  "gzip that is a string": '{"gz":"H4sI","_v":2}',
  "gzip that is null": '{"gz":null,"_v":2}',
};

for (const [name, text] of Object.entries(FORGED)) {
  test(`${name} is refused`, () => {
    assert.throws(() => fromJson(text), DecodeError);
  });
}

test("256 levels pass and 257 do not", () => {
  const fill = (levels) => JSON.parse(`{"_v":2,"a":${"[".repeat(levels - 1)}1${"]".repeat(levels - 1)}}`);
  decodePayload(fill(256));
  assert.throws(() => decodePayload(fill(257)), DecodeError);
  assert.throws(() => decodePayload(fill(5000)), DecodeError);
  assert.throws(() => decodePayload({ _v: 2, ...nested(258) }), DecodeError);
});

test("the error says what it is", () => {
  assert.throws(() => fromJson('{"ts":0.5,"_v":2}'), { name: "DecodeError", message: /^a timestamp is/ });
  assert.throws(() => fromJson('{"~x":1,"x":2,"_v":2}'), { name: "DecodeError", message: 'the key "x" comes twice' });
});

// The law

function seeded(seed) {
  return (below) => {
    seed = (Math.imul(seed, 1664525) + 1013904223) >>> 0;
    return Math.floor((seed / 2 ** 32) * below);
  };
}

const KEYS = [...Object.keys(FIELD_MAP), ...Object.values(FIELD_MAP), "_v", "gz", "__proto__", "constructor", "", "x"];
const TEXTS = ["", "~", "текст", "\ud800", NOON, "2025-10-25T12:00:00Z", "2025-02-30T00:00:00.000Z", "0000"];
const SCALARS = [null, true, 0, -1.5, 1761393600000, ...TEXTS];

function jsonValue(random, depth) {
  const pick = (list) => list[random(list.length)];
  const shape = depth > 0 ? random(4) : 3;
  if (shape === 3) {
    return pick(SCALARS);
  }
  const items = Array.from({ length: random(5) }, () => jsonValue(random, depth - 1));
  return shape === 2 ? items : Object.fromEntries(items.map((item) => ["~".repeat(random(3)) + pick(KEYS), item]));
}

test("decoding undoes encoding for every value, and for its gzip", async () => {
  const random = seeded(1);
  for (let round = 0; round < 2000; round += 1) {
    const value = { ...jsonValue(random, 4), created_at: jsonValue(random, 1) };
    const wire = JSON.stringify(encode(value));
    assert.equal(JSON.stringify(fromJson(wire)), JSON.stringify(value));
    if (round % 20 === 0) {
      assert.equal(JSON.stringify(await decodePayload(pack(value))), JSON.stringify(value));
    }
  }
});
