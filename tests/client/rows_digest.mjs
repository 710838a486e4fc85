// Decodes a file of frames, one JSON string a line, and prints the SHA-1 of the packets in them.
import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { createInterface } from "node:readline";

import { RowsDecoder } from "../../reznet_ws/client/js/rows.js";

const decoder = new RowsDecoder();
const digest = createHash("sha1");
for await (const line of createInterface({ input: createReadStream(process.argv[2]) })) {
  for (const packet of decoder.decode(JSON.parse(line))) {
    digest.update(`${packet}\n`);
  }
}
console.log(digest.digest("hex"));
