// Reads lines of [JSON, MessagePack in hex], and holds what comes of the one against the other; prints how many.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";

import { reader } from "../../reznet_ws/client/js/messagepack.js";

const require = createRequire(new URL("../../reznet_ws/client/js/package.json", import.meta.url));
const read = reader(require("@msgpack/msgpack"));
let count = 0;
for (const line of readFileSync(process.argv[2], "utf8").split("\n")) {
  const [text, packed] = JSON.parse(line);
  let expected;
  try {
    expected = JSON.parse(text);
  } catch {
    continue; // NaN and Infinity, which no browser takes as JSON
  }
  const { data } = read(Buffer.from(packed, "hex"));
  assert.deepStrictEqual(data, expected);
  assert.equal(JSON.stringify(data), JSON.stringify(expected)); // the order of keys, too
  count += 1;
}
process.stdout.write(String(count));
