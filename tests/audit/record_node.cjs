// Records what the JavaScript libraries write, for the tests of the audit's readers.
//
// In: nothing; its packages come from the folder it is run in. Out: node_frames.json and node_logs/ beside this file.
// Never: part of a test run; the tests read what it wrote.
//
//   npm install socket.io@4 socket.io-client@4 socket.io-msgpack-parser@3 engine.io-parser@5 socket.io-parser@4 \
//     socket.io2@npm:socket.io@2 socket.io-client2@npm:socket.io-client@2 \
//     engine.io-parser2@npm:engine.io-parser@2 socket.io-parser3@npm:socket.io-parser@3
//   node /path/to/record_node.cjs

const { createRequire } = require("module");
const { spawn } = require("child_process");
const fs = require("fs");
const net = require("net");
const path = require("path");

const load = createRequire(path.join(process.cwd(), "package.json"));
const EVENT = 2;
const ACK = 3;

const PACKETS = [
  { name: "event", type: EVENT, nsp: "/", data: ["message", { text: 'with "quotes", a \n line and \u001e' }] },
  { name: "event beyond the basic plane", type: EVENT, nsp: "/", data: ["приве́т", "😀é", null, 1.5, true] },
  { name: "event of a namespace", type: EVENT, nsp: "/admin", data: ["a", [1, 2, { b: [] }]] },
  { name: "event that asks for an acknowledgement", type: EVENT, nsp: "/", id: 12, data: ["ask"] },
  { name: "acknowledgement", type: ACK, nsp: "/admin", id: 0, data: [{ ok: true }] },
  { name: "binary event", type: EVENT, nsp: "/", data: ["file", { a: Buffer.from([0, 1, 255]), b: [Buffer.from("text")] }] },
  { name: "binary event of nothing", type: EVENT, nsp: "/n", id: 3, data: ["file", Buffer.alloc(0)] },
  { name: "binary acknowledgement", type: ACK, nsp: "/", id: 7, data: [Buffer.from([4, 4])] },
];

function plain(value) {
  if (Buffer.isBuffer(value)) return { $bytes: value.toString("base64") };
  if (Array.isArray(value)) return value.map(plain);
  if (value && typeof value === "object") return Object.fromEntries(Object.entries(value).map(([k, v]) => [k, plain(v)]));
  return value;
}

const bytes = (value) => (Buffer.isBuffer(value) ? value : Buffer.from(value));
const called = (encode) => new Promise((resolve) => encode(resolve));
const copy = ({ name, ...packet }) => ({ ...packet });

async function frames() {
  const now = { sio: load("socket.io-parser"), eio: load("engine.io-parser") };
  const old = { sio: load("socket.io-parser3"), eio: load("engine.io-parser2") };
  const msgpack = load("socket.io-msgpack-parser");
  const cases = [];
  for (const packet of PACKETS) {
    const expected = { kind: packet.type === EVENT ? "event" : "ack", namespace: packet.nsp, ack_id: packet.id ?? null, data: plain(packet.data) };
    const add = (how, engineio, what) => cases.push({ name: `${packet.name}: ${how}`, engineio, expected, ...what });

    const parts = new now.sio.Encoder().encode(copy(packet)).map((data) => ({ type: "message", data }));
    const sent = [];
    for (const part of parts) sent.push(await called((done) => now.eio.encodePacket(part, true, done)));
    add("frames of revision 4", 4, { frames: sent.map(plain) });
    add("body of revision 4", 4, { body: await called((done) => now.eio.encodePayload(parts, done)) });

    const type = packet.data.some((item) => JSON.stringify(plain(item)).includes("$bytes")) ? packet.type + 3 : packet.type;
    const oldParts = await called((done) => new old.sio.Encoder().encode({ ...copy(packet), type }, done));
    const oldPackets = oldParts.map((data) => ({ type: "message", data }));
    const oldSent = [];
    for (const part of oldPackets) oldSent.push(await called((done) => old.eio.encodePacket(part, true, done)));
    add("frames of revision 3", 3, { frames: oldSent.map((frame) => plain(typeof frame === "string" ? frame : bytes(frame))) });
    const texts = [];
    for (const part of oldPackets) texts.push(await called((done) => old.eio.encodePacket(part, false, done)));
    add("frames of revision 3 without binary", 3, { frames: texts });
    add("body of revision 3", 3, { body: await called((done) => old.eio.encodePayload(oldPackets, false, done)) });
    if (type !== packet.type) {
      const body = await called((done) => old.eio.encodePayload(oldPackets, true, done));
      add("binary body of revision 3", 3, { body: plain(bytes(body)) });
    }

    const packed = new msgpack.Encoder().encode(copy(packet)).map(bytes);
    add("msgpack-parser", 4, { frames: packed.map(plain) });
  }
  fs.writeFileSync(path.join(__dirname, "node_frames.json"), JSON.stringify(cases, null, 1) + "\n");
}

// Logs: this file again, as a server or a client with DEBUG set.

async function logs() {
  const folder = path.join(__dirname, "node_logs");
  fs.mkdirSync(folder, { recursive: true });
  for (const [version, revision] of [["", 4], ["2", 3]]) {
    for (const transport of ["upgrade", "websocket", "polling"]) {
      const port = String(20000 + Math.floor(Math.random() * 20000));
      const server = start("server", version, port, transport);
      await listening(Number(port));
      const client = start("client", version, port, transport);
      for (const [role, process] of [["server", server], ["client", client]]) {
        const text = (await process).replaceAll(`:${port}`, ":3000").replaceAll(` ${port}`, " 3000");
        fs.writeFileSync(path.join(folder, `revision-${revision}-${role}-${transport}.log`), text);
      }
    }
  }
}

async function listening(port) {
  for (;;) {
    const isOpen = await new Promise((resolve) => {
      const socket = net.connect(port, "localhost", () => resolve(socket.end() && true)).on("error", () => resolve(false));
    });
    if (isOpen) return;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

function start(role, version, port, transport) {
  const env = { ...process.env, DEBUG: "engine*,socket.io*", NO_COLOR: "1" };
  const child = spawn(process.execPath, [__filename, role, version, port, transport], { env });
  const chunks = [];
  child.stderr.on("data", (chunk) => chunks.push(chunk));
  return new Promise((resolve) => child.on("close", () => resolve(Buffer.concat(chunks).toString())));
}

function serve(version, port) {
  const options = { pingInterval: 700 };
  const io = version ? load("socket.io2")(port, options) : new (load("socket.io").Server)(port, options);
  io.on("connection", (socket) => {
    socket.emit("hello", { a: 1, text: 'Привет 😀 "quoted"\nline' });
    socket.on("up", (data, answer) => answer({ ok: true, b: Buffer.from([10, 255, 34, 10]) }));
    socket.on("file", (file) => socket.emit("echo", file, { deep: [file] }));
    socket.on("disconnect", () => setTimeout(() => process.exit(), 200));
  });
  io.of("/chat").on("connection", (socket) => socket.emit("msg", "hi", 2, null));
}

function connect(version, port, transport) {
  const url = `http://localhost:${port}`;
  const options = transport === "upgrade" ? {} : { transports: [transport] };
  const io = version ? load("socket.io-client2") : load("socket.io-client").io;
  const socket = io(url, options);
  const chat = io(`${url}/chat`, options);
  socket.on("connect", () => setTimeout(() => {
    socket.emit("up", { x: "y as z" }, () => {});
    socket.emit("file", Buffer.from("bytes that happen to be text"));
  }, 500));
  setTimeout(() => { chat.close(); socket.close(); }, 2000);
  setTimeout(() => process.exit(), 2300);
}

const [role, ...rest] = process.argv.slice(2);
if (role === "server") serve(rest[0], +rest[1]);
else if (role === "client") connect(...rest);
else frames().then(logs);
