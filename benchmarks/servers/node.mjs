// Node's socket.io, on ws or on uWebSockets.
//
// In: --engine ws|uws [--deflate] SCRIPT. Out: both ports in one line of JSON on stdout.
// Never: sets anything else. What `play`, `seen` and `stop` mean is said in conductor.py.
import { readFileSync } from "node:fs";
import { createServer as createHttpServer } from "node:http";
import { createServer as createTcpServer } from "node:net";
import { createInterface } from "node:readline";
import { parseArgs } from "node:util";
import { setImmediate as turn, setTimeout as sleep } from "node:timers/promises";
import { Server } from "socket.io";

const { values: options, positionals } = parseArgs({
  options: { engine: { type: "string" }, deflate: { type: "boolean", default: false } },
  allowPositionals: true,
});
const script = JSON.parse(readFileSync(positionals[0], "utf8"));
const ids = new Map();
const io = new Server({ perMessageDeflate: options.deflate });
io.on("connection", (socket) => {
  const slot = Number(socket.handshake.query.slot);
  ids.set(slot, socket.id);
  socket.join(script.rooms[slot]);
});

let emitted = 0;
let seen = 0;
let stopped = false;
let wake = () => {};

function emit(index) {
  const message = script.sendings.message[index];
  const to = script.sendings.to[index];
  const skip = script.sendings.skip[index];
  let receivers = io.of("/");
  if (to !== null) receivers = receivers.to(typeof to === "number" ? ids.get(to) : to);
  if (skip !== null) receivers = receivers.except(ids.get(skip));
  receivers.emit(...script.messages[message]);
  emitted += 1;
}

// A timer takes 1 ms at least, so what is overdue does without.
async function playAtRate(order, began) {
  for (let number = 0; number < order.count; number++) {
    const dueMs = (number / order.rate_per_s) * 1000 - Number(process.hrtime.bigint() - began) / 1e6;
    await (dueMs > 0 ? sleep(dueMs) : turn());
    emit(order.first + number);
  }
}

async function playAtFullLoad(order) {
  let number = 0;
  while (!stopped && (order.is_endless || number < order.count)) {
    while (emitted + order.per_turn > seen + order.most_ahead && !stopped) {
      await new Promise((resolve) => (wake = resolve));
    }
    for (let one = 0; one < order.per_turn; one++) emit(order.first + (number++ % order.count));
    await turn();
  }
}

async function play(order, tell) {
  const began = process.hrtime.bigint();
  tell({ began_ns: Number(began) });
  await (order.rate_per_s ? playAtRate(order, began) : playAtFullLoad(order));
  tell({ played: emitted });
}

const control = createTcpServer((connection) => {
  connection.on("error", () => {});
  const tell = (news) => connection.write(`${JSON.stringify(news)}\n`);
  createInterface({ input: connection }).on("line", (line) => {
    const command = JSON.parse(line);
    if (command.play) {
      stopped = false;
      play(command.play, tell);
    }
    seen = command.seen ?? seen;
    stopped = command.stop ?? stopped;
    wake();
  });
});

function announce(port) {
  control.listen(0, "127.0.0.1", () => {
    console.log(JSON.stringify({ port, control_port: control.address().port }));
  });
}

if (options.engine === "uws") {
  const { default: uws } = await import("@trufflesuite/uws-js-unofficial");
  const app = uws.App();
  io.attachApp(app);
  app.listen("127.0.0.1", 0, (token) => {
    if (!token) throw new Error("uWebSockets cannot listen");
    announce(uws.us_socket_local_port(token));
  });
} else {
  const server = createHttpServer();
  io.attach(server);
  server.listen({ host: "127.0.0.1", port: 0, backlog: 2048 }, () => announce(server.address().port));
}
