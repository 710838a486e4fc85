import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";

import { RowsDecoder, RowsError } from "../rows.js";

const { golden, far, aside, forged, seeded } = JSON.parse(readFileSync(new URL("rows-frames.json", import.meta.url), "utf8"));
const SIGNS = "%&'()*+,-./:;<=>?@ABCDEFGHIJKLMNOPQRSTUVWXYZ[\\]^_`abcdefghijklmnopqrstuvwxyz{|}~";

const digits = (number, count) =>
  count === 0 ? "" : digits(Math.floor(number / SIGNS.length), count - 1) + SIGNS[number % SIGNS.length];
const reference = (distance, length) => `\x01${digits(distance, 4)}${digits(length, 3)}`;

test("the specification's frames come back as they were emitted", () => {
  for (const frames of [golden, far]) {
    const decoder = new RowsDecoder();
    for (const [packet, frame] of frames) {
      assert.deepEqual(decoder.decode(frame), [packet]);
    }
  }
});

test("shapes that are known beforehand take no keys, again and again", () => {
  const decoder = new RowsDecoder(seeded.seed);
  for (const [packet, frame] of [...seeded.frames, ...seeded.frames]) {
    assert.deepEqual(decoder.decode(frame), [packet]);
  }
  const [[, first]] = seeded.frames;
  assert.throws(() => new RowsDecoder().decode(first), RowsError);
  assert.throws(() => new RowsDecoder({ ...seeded.seed, name: "another" }).decode(first), RowsError);
});

test("lines for some change nothing", () => {
  const decoder = new RowsDecoder();
  aside.before.forEach((frame) => decoder.decode(frame));
  for (const [packet, frame] of [...aside.frames, ...aside.frames]) {
    assert.deepEqual(decoder.decode(frame), [packet]);
  }
});

test("several lines in one frame come back in order", () => {
  const frame = golden.map(([, line]) => line).join("\n");
  assert.deepEqual(new RowsDecoder().decode(frame), golden.map(([packet]) => packet));
  const mixed = new RowsDecoder().decode('\n2["plain"]\n!%2["e",1]\n2["plain"]');
  assert.deepEqual(mixed, ['2["plain"]', '2["e",1]', '2["plain"]']);
});

test("what begins with a digit is one packet, whatever is in it", () => {
  for (const packet of ["0", '2["e",{\n"a":1}]', "3/a,7[1]", '51-["\x01",{"_placeholder":true,"num":0}]', ""]) {
    assert.deepEqual(new RowsDecoder().decode(packet), [packet]);
  }
});

for (const [name, [before, frame]] of Object.entries(forged)) {
  test(`${name} is refused`, () => {
    const decoder = new RowsDecoder();
    before.forEach((line) => decoder.decode(line));
    assert.throws(() => decoder.decode(frame), RowsError);
  });
}

test("references cannot make more of a line than a connection takes", () => {
  const decoder = new RowsDecoder();
  decoder.decode(` 2["e","${"x".repeat(500_000)}"]`);
  const many = (count) => ` 2["e","${reference(500_003, 500_000).repeat(count)}"]`;
  assert.equal(decoder.decode(many(2))[0].length, 1_000_009);
  assert.throws(() => decoder.decode(many(1_000)), RowsError);
});

test("more shapes and rows than a connection holds are refused", () => {
  const decoder = new RowsDecoder();
  const define = (sign) => decoder.decode(`!${sign}2["e","${"x".repeat(250_000)}"]`);
  define("%");
  for (let times = 0; times < 100; times += 1) {
    define("%"); // in the place of the one before
  }
  assert.throws(() => Array.from(SIGNS, define), RowsError);
  const leaves = Array.from({ length: 513 }, () => "1").join();
  assert.throws(() => new RowsDecoder().decode(`!%2["e",${leaves}]`), RowsError);
});

test("far references count characters, not code units", () => {
  const decoder = new RowsDecoder();
  const line = `2["e","${"😀x".repeat(300)}-end"]`;
  decoder.decode(` ${line}`);
  const chars = Array.from(` ${line}`);
  const begin = chars.indexOf("-") - 101;
  const text = chars.slice(begin, begin + 105).join("");
  assert.deepEqual(decoder.decode(` 2["e","${reference(chars.length - begin, 105)}"]`), [`2["e","${text}"]`]);
});

test("prefixes count characters, not code units", () => {
  const decoder = new RowsDecoder();
  decoder.decode(`!%2["e","${"😀".repeat(90)}"]`);
  assert.deepEqual(decoder.decode("#%%f\t~!"), [`2["e","${"😀".repeat(80)}!"]`]);
  assert.deepEqual(decoder.decode("%&?"), [`2["e","${"😀".repeat(2)}?"]`]);
});

test("a key named __proto__ and keys that come twice stay as they were written", () => {
  const decoder = new RowsDecoder();
  decoder.decode('!%2["e",{"__proto__":{"a":1},"b":2,"b":3,"2":4,"1":5}]');
  assert.deepEqual(decoder.decode("#%%:<\t6\t7"), ['2["e",{"__proto__":{"a":7},"b":2,"b":3,"2":11,"1":5}]']);
});
