// The server's side of format 2, as fields.py and optimizer.py have it, for round trips.
import { gzipSync } from "node:zlib";

import { FIELD_MAP } from "../reznet.js";

const SHORT = new Map(Object.entries(FIELD_MAP));
const COLLIDING = new Set([...SHORT.values(), "_v", "gz"]);

function abbreviate(value) {
  if (Array.isArray(value)) {
    return value.map(abbreviate);
  }
  if (value === null || typeof value !== "object" || ArrayBuffer.isView(value)) {
    return value;
  }
  return Object.fromEntries(
    Object.entries(value).map(([key, item]) => {
      if (key === "created_at" || key === "updated_at") {
        const ms = msFromIso(item);
        return ms === undefined ? [key, abbreviate(item)] : [SHORT.get(key), ms];
      }
      const short = COLLIDING.has(key) || key.startsWith("~") ? `~${key}` : (SHORT.get(key) ?? key);
      return [short, abbreviate(item)];
    }),
  );
}

function msFromIso(text) {
  const ms = typeof text === "string" && /^(?!0000)\d{4}-/.test(text) ? Date.parse(text) : NaN;
  return !Number.isNaN(ms) && new Date(ms).toISOString() === text ? ms : undefined;
}

export function encode(value) {
  return { ...abbreviate(value), _v: 2 };
}

export function pack(value) {
  return { _v: 2, gz: gzipSync(JSON.stringify(encode(value))) };
}
