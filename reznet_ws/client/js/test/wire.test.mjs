// The real client over a WebSocket, against the few bytes of server that it needs.
import assert from "node:assert/strict";
import { once } from "node:events";
import { test } from "node:test";

import { io } from "socket.io-client";
import { WebSocketServer } from "ws";

import { attach } from "../reznet.js";
import { pack } from "./encode.mjs";

const HANDSHAKE = { sid: "engine", upgrades: [], pingInterval: 25_000, pingTimeout: 20_000, maxPayload: 1e6 };

test("a real connection is decoded, and its break forgets the grant", { timeout: 10_000 }, async (t) => {
  const server = new WebSocketServer({ port: 0, host: "127.0.0.1" });
  await once(server, "listening");
  const connections = [];
  server.on("connection", (connection, request) => {
    connections.push([connection, request.url]);
    connection.send(`0${JSON.stringify(HANDSHAKE)}`);
    connection.on("message", (data) => {
      if (data.toString() === "40") {
        // As python-socketio: what its connect handler emits comes before the confirmation.
        if (connections.length === 1) {
          connection.send('42["connection_established",{"format":2}]');
        }
        connection.send('451-["slow",{"_v":2,"gz":{"_placeholder":true,"num":0}}]');
        connection.send(pack({ content: "packed" }).gz);
        connection.send(`40{"sid":"sid-${connections.length}"}`);
        connection.send('425["question",{"mid":"1","_v":2}]');
      }
    });
  });
  const { port } = server.address();
  const options = { query: { reznet: 2 }, transports: ["websocket"], reconnectionDelay: 1 };
  const socket = attach(io(`ws://127.0.0.1:${port}`, options));
  t.after(() => {
    socket.disconnect();
    connections.forEach(([connection]) => connection.terminate());
    server.close();
  });
  const heard = [];
  socket.onAny((event, data) => heard.push([event, data]));
  socket.on("question", (data, ack) => ack(data));

  await once(socket, "question");
  const [[first, url]] = connections;
  assert.match(url, /[?&]reznet=2(&|$)/);
  assert.deepEqual(heard, [
    ["connection_established", { format: 2 }],
    ["slow", { content: "packed" }],
    ["question", { message_id: "1" }],
  ]);
  assert.equal(String((await once(first, "message"))[0]), '435[{"message_id":"1"}]');

  heard.length = 0;
  first.terminate();
  await once(socket, "question");
  const [, [second]] = connections;
  assert.deepEqual(heard.map(([event, data]) => [event, Object.keys(data)]), [
    ["slow", ["_v", "gz"]],
    ["question", ["mid", "_v"]],
  ]);
  assert.equal(String((await once(second, "message"))[0]), '435[{"mid":"1","_v":2}]');
});
