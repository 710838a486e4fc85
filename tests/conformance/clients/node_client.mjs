// Real clients in Node: commands come in as lines of JSON, reports go out as such; the end of the input ends it.
import { createRequire } from "node:module";
import { createInterface } from "node:readline";

import { attach } from "../../../reznet_ws/client/js/reznet.js";
import { messagePack } from "../../../reznet_ws/client/js/messagepack.js";
import { rows } from "../../../reznet_ws/client/js/rows.js";
import { makeDriver } from "./driver.mjs";

const require = createRequire(new URL("../../../reznet_ws/client/js/package.json", import.meta.url));
const { io, Manager } = require("socket.io-client");

const parsers = { rows: rows(Manager), messagePack: messagePack(Manager, require("@msgpack/msgpack")) };
const driver = makeDriver(io, attach, parsers, (said) => process.stdout.write(`${JSON.stringify(said)}\n`));
for await (const line of createInterface({ input: process.stdin })) {
  const command = JSON.parse(line);
  driver[command.do](command);
}
process.exit();
