import assert from "node:assert/strict";
import { test } from "node:test";
import { constants, deflateRawSync, gzipSync } from "node:zlib";

import { DecodeError, decodePayload } from "../reznet.js";
import { pack } from "./encode.mjs";

const decode = (gz, options) => decodePayload({ _v: 2, gz }, options);
const refused = (gz, message = /./) => assert.rejects(decode(gz), { name: "DecodeError", message });

// Made by Python's PayloadOptimizer.
const GOLDEN = Buffer.from(
  "H4sIAAAAAAAAA6tWys1MUbJSSkxK1jU0MlbSUUoG8oJSiwvy84pTFTJSi1L19PQULsy/2HBhx4VNF7ZebNJReLJj2vOpPYoKo8rQlAGDr6RYyc" +
    "rQ3MzQ2NLYzAAEdJRKC1ISS1JT4hNLgEFbmVpcklqUklgJVJurZFWtlJuSAxROzkksTUnVBUVAXR3QBCCVXqVkFV2tBDQPiIF8kMlGtbG1Okrx" +
    "ZSAWADkI8+y7AQAA",
  "base64",
);
const FULL = {
  message_id: "abc-123",
  content: "Response here... Привет, 世界! ".repeat(8),
  created_at: "2025-10-25T12:00:00.000Z",
  updated_at: "yesterday",
  metadata: { model: "claude-3", "~": 1, gz: [{ status: "s", ts: 2 }] },
};

test("what Python packed comes back, from any kind of bytes", async () => {
  const bytes = new Uint8Array(GOLDEN);
  const shifted = new Uint8Array([0, ...bytes, 0]).subarray(1, -1);
  for (const gz of [GOLDEN, bytes, bytes.buffer, shifted]) {
    assert.deepEqual(await decode(gz), FULL);
  }
});

test("only a gzipped payload gives a promise", async () => {
  assert.ok(decode(GOLDEN) instanceof Promise);
  assert.ok(!(decodePayload({ mid: 1, _v: 2 }) instanceof Promise));
  assert.throws(() => decode([31, 139]), DecodeError);
  assert.throws(() => decodePayload({ _v: 2, gz: GOLDEN, x: 1 }), DecodeError);
});

test("gzip may hold what was not abbreviated", async () => {
  for (const value of [{ mid: 1 }, [{ _v: 2, mid: 1 }], "text", null]) {
    assert.deepEqual(await decode(gzipSync(JSON.stringify(value))), value);
  }
});

test("a payload that spans many pieces comes back whole", async () => {
  const lines = Array.from({ length: 20_000 }, (_, index) => `${(index * 2654435761) % 4294967296} déjà vu 世界`);
  const { gz } = pack({ content: lines });
  assert.ok(gz.length > 100_000);
  assert.deepEqual(await decode(gz), { content: lines });
});

test("gzip cut anywhere is refused", async () => {
  for (let length = 0; length < GOLDEN.length; length += 1) {
    await refused(GOLDEN.subarray(0, length));
  }
});

test("bytes after the gzip stream are refused", async () => {
  const texts = ["\0", "\0\0\0\0", "\n", "x", "some more text", "\0".repeat(9999)];
  for (const tail of [...texts, GOLDEN, GOLDEN.subarray(0, 12), GOLDEN.subarray(-8)]) {
    await refused(Buffer.concat([GOLDEN, Buffer.from(tail)]));
  }
});

test("a damaged bit anywhere is refused or changes nothing", async () => {
  for (let index = 0; index < GOLDEN.length; index += 1) {
    const damaged = Buffer.from(GOLDEN);
    damaged[index] ^= 4;
    // Only the header's time, level and system carry nothing.
    const [result] = await Promise.allSettled([decode(damaged)]);
    assert.equal(result.status, index >= 4 && index < 10 ? "fulfilled" : "rejected", `byte ${index}`);
  }
});

test("what is inside must be JSON in UTF-8", async () => {
  for (const inside of ["", "{", "NaN", "{} {}", "\ufeff{}", "'x'"]) {
    await refused(gzipSync(inside), "not JSON");
  }
  for (const inside of [[0x22, 0xff, 0x22], [0x22, 0xe4, 0xb8], [0x22, 0xed, 0xa0, 0x80, 0x22]]) {
    await refused(gzipSync(Buffer.from(inside)), /UTF-8/);
  }
});

test("what is forged inside is refused", async () => {
  await refused(gzipSync('{"_v":2,"gz":"x"}'), "a gzipped payload inside a gzipped payload");
  await refused(gzipSync('{"_v":2,"mid":1,"message_id":2}'), /comes twice/);
  await refused(gzipSync('{"_v":2,"ts":"now"}'), /a timestamp is/);
});

test("the limit counts inflated bytes", async () => {
  const packed = gzipSync(JSON.stringify("x".repeat(998)));
  assert.equal((await decode(packed, { maxBytes: 1000 })).length, 998);
  await assert.rejects(decode(packed, { maxBytes: 999 }), { message: "inflates to more than 999 bytes" });
});

test("a bomb is given up at 10 MB", async () => {
  const header = gzipSync("").subarray(0, 10);
  const megabyte = deflateRawSync(Buffer.alloc(1024 * 1024, " "), { finishFlush: constants.Z_FULL_FLUSH });
  const noBlock = Buffer.alloc(100, 7);
  const bomb = (megabytes) => Buffer.concat([header, ...Array(megabytes).fill(megabyte), noBlock]);
  // The broken block behind it tells how far it was read.
  await refused(bomb(9), /not one whole gzip stream/);
  await refused(bomb(16), "inflates to more than 10485760 bytes");
  await refused(bomb(1024), "inflates to more than 10485760 bytes");
});
