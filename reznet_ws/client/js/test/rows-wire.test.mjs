// The real client with our parser over a WebSocket, against the few bytes of server that it needs.
import assert from "node:assert/strict";
import { once } from "node:events";
import { test } from "node:test";

import { io, Manager } from "socket.io-client";
import { WebSocketServer } from "ws";

import { rows } from "../rows.js";

const HANDSHAKE = { sid: "engine", upgrades: [], pingInterval: 25_000, pingTimeout: 20_000, maxPayload: 1e6 };

test("the real client gets rows, binary events and acks in order, and connects again after a forged frame", {
  timeout: 10_000,
}, async (t) => {
  const server = new WebSocketServer({ port: 0, host: "127.0.0.1" });
  await once(server, "listening");
  const connections = [];
  server.on("connection", (connection, request) => {
    connections.push([connection, request.url]);
    connection.send(`0${JSON.stringify(HANDSHAKE)}`);
    connection.on("message", (data) => {
      if (data.toString() === "40") {
        connection.send(`40{"sid":"sid-${connections.length}"}`);
        connection.send('4"\n!%2["price",{"value":1,"note":"a"}]');
        connection.send("4#%%:\t5\n2[\"plain\",{\"x\":1}]\n%5");
        connection.send('451-["picture",{"_placeholder":true,"num":0}]');
        connection.send(Buffer.from([1, 2, 3]));
        connection.send('427["question",{"y":2}]');
        connection.send("4%-1");
      }
    });
  });
  const { port } = server.address();
  const parser = rows(Manager);
  const options = { query: { reznet: 3 }, parser, transports: ["websocket"], reconnectionDelay: 1 };
  const socket = io(`ws://127.0.0.1:${port}`, options);
  t.after(() => {
    socket.disconnect();
    connections.forEach(([connection]) => connection.terminate());
    server.close();
  });
  const heard = [];
  let told = () => undefined;
  socket.onAny((event, data) => {
    heard.push([event, data]);
    if (heard.length === 6) {
      told();
    }
  });
  socket.on("question", (data, ack) => ack(data, Buffer.from([4])));
  const all = () => new Promise((resolve) => (told = resolve));

  await all();
  const EXPECTED = [
    ["price", { value: 1, note: "a" }],
    ["price", { value: 6, note: "a" }],
    ["plain", { x: 1 }],
    ["price", { value: 11, note: "a" }],
    ["picture", Buffer.from([1, 2, 3])],
    ["question", { y: 2 }],
  ];
  assert.deepEqual(heard.slice(0, 6), EXPECTED);
  const [[first, url]] = connections;
  assert.match(url, /[?&]reznet=3(&|$)/);
  assert.equal(String((await once(first, "message"))[0]), '461-7[{"y":2},{"_placeholder":true,"num":0}]');

  const reasons = [];
  socket.on("disconnect", (reason) => reasons.push(reason));
  heard.length = 0;
  first.send("4~1");
  await all();
  assert.deepEqual(reasons, ["parse error"]);
  assert.deepEqual(heard.slice(0, 6), EXPECTED);
  assert.equal(connections.length, 2);
});
