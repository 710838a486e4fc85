import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";

import * as msgpack from "@msgpack/msgpack";

import { reader } from "../messagepack.js";

const { golden, forged } = JSON.parse(readFileSync(new URL("messagepack-frames.json", import.meta.url), "utf8"));
const bytesOf = (hex) => Uint8Array.from(Buffer.from(hex, "hex"));
const HEAD = /^[25](?:\d+-)?(?:(\/[^,]*),)?(\d+)?(?=\[)/;

test("the specification's frames come back as they were emitted", () => {
  const read = reader(msgpack);
  for (const [text, attachments, packed] of golden) {
    const [head, nsp = "/", id] = HEAD.exec(text);
    const data = JSON.parse(text.slice(head.length), (key, value) =>
      value?._placeholder ? bytesOf(attachments[value.num]).buffer : value,
    );
    assert.deepEqual(read(bytesOf(packed).buffer), { nsp, id: id && Number(id), data });
  }
});

test("bytes come as what the message itself came as", () => {
  const read = reader(msgpack);
  const packed = Buffer.from(golden[5][2], "hex");
  assert.deepEqual(read(packed).data[1].data, Buffer.from([0, 1, 255]));
  assert.ok(read(bytesOf(golden[5][2]).buffer).data[1].data instanceof ArrayBuffer);
});

for (const [name, packed] of Object.entries(forged)) {
  test(`${name} is refused`, () => {
    assert.throws(() => reader(msgpack)(bytesOf(packed)), Error);
  });
}

test("names that socket.io keeps for itself are refused", () => {
  const read = reader(msgpack);
  for (const event of ["connect", "disconnect", "newListener"]) {
    assert.throws(() => read(msgpack.encode([event])), /no namespace, ack id and event/);
  }
});

test("a reader goes on after what it refused", () => {
  const read = reader(msgpack);
  assert.throws(() => read(bytesOf(forged["an array that ends early"])));
  assert.deepEqual(read(bytesOf(golden[1][2])).data, ["ping"]);
});
