import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";

import { FIELD_MAP } from "../reznet.js";

const here = fileURLToPath(new URL("..", import.meta.url));
const tsc = (...args) =>
  execFileSync(process.execPath, [join(here, "node_modules/typescript/bin/tsc"), ...args], { encoding: "utf8" });

test("the committed build is what the source builds to", (t) => {
  const built = mkdtempSync(join(tmpdir(), "reznet-"));
  t.after(() => rmSync(built, { recursive: true }));
  tsc("--project", here, "--outDir", built);
  for (const name of ["reznet", "rows", "rows-text", "packets", "messagepack", "snapshots"].flatMap((name) => [`${name}.js`, `${name}.d.ts`])) {
    const same = readFileSync(join(built, name), "utf8") === readFileSync(join(here, name), "utf8");
    assert.ok(same, `${name} is stale: npm run build`);
  }
});

test("the build imports nothing but its own", () => {
  const imports = (name) => readFileSync(join(here, name), "utf8").match(/^import\b.*|\bimport\(|\brequire\(/gm) ?? [];
  assert.deepEqual(["reznet.js", "rows-text.js", "packets.js"].flatMap(imports), []);
  for (const name of ["messagepack.js", "snapshots.js"]) {
    assert.ok(imports(name).every((line) => line.endsWith('from "./packets.js";')));
  }
  assert.ok(imports("rows.js").every((line) => line.endsWith('from "./rows-text.js";')));
});

test("the real client's types fit", () => {
  assert.equal(tsc("--project", join(here, "test")), "");
});

test("the field map is Python's, in Python's order", () => {
  const python = readFileSync(join(here, "../../message/fields.py"), "utf8");
  const [, body] = /^FIELD_MAP = \{\n([^}]*)^\}/m.exec(python);
  const pairs = [...body.matchAll(/^ +"(\w+)": "(\w+)",$/gm)].map(([, full, short]) => [full, short]);
  assert.equal(pairs.length, body.split("\n").filter((line) => line.includes(":")).length);
  assert.deepEqual(Object.entries(FIELD_MAP), pairs);
});
