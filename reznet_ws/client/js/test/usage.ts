// Compiled and never run: the real client's Socket fits `attach` and comes back as the type that went in.
import * as msgpack from "@msgpack/msgpack";
import { io, Manager, type Socket } from "socket.io-client";
import { messagePack } from "../messagepack.js";
import { rows, RowsDecoder } from "../rows.js";
import { attach, decodePayload, DecodeError, FIELD_MAP } from "../reznet.js";

interface Heard {
  agent_status: (data: { status: string }) => void;
}

const plain: Socket<Heard> = io("/", { query: { reznet: 2 } });
const socket: Socket<Heard> = attach(plain, {
  dates: true,
  maxBytes: 1024,
  onError: (error: DecodeError, event: string) => `${event}: ${error.message}`,
});
socket.on("agent_status", ({ status }) => status.length);

export const short: "mid" = FIELD_MAP.message_id;
export const decoded: unknown = decodePayload({ mid: "abc-123", _v: 2 }, { dates: true });
export const third: Socket = io("/", { query: { reznet: 3 }, parser: rows(Manager) });
export const packed: Socket = io("/", { query: { reznet: "m" }, parser: messagePack(Manager, msgpack) });
export const packets: string[] = new RowsDecoder().decode("0");
