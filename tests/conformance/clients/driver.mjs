/**
 * What the clients in Node and those in a page share: does what the test says, reports what the handlers got.
 *
 * In: `{do: "open" | "ask" | "close", name, ...}`. Out: `report({name, count, kind, event, args})`, args as JSON, where
 * bytes are `{$bytes: base64}` and dates `{$date: string}`.
 */
export function makeDriver(io, attach, parsers, report) {
  const clients = new Map();

  function open({ name, url, query, transports, decode, dates, parser, events }) {
    const options = { query, transports, forceNew: true, reconnectionDelay: 20, reconnectionDelayMax: 100 };
    const socket = io(url, parser ? { ...options, parser: parsers[parser] } : options);
    let count = 0;
    const note = (kind, event, args) => report({ name, count: ++count, kind, event, args: args.map(asJson) });
    clients.set(name, { socket, note });
    if (decode) {
      attach(socket, { dates, onError: (error, event) => note("error", event, [String(error)]) });
    }
    const last = transports.at(-1);
    socket.on("connect", () => {
      const { engine } = socket.io;
      const ready = () => note("ready", engine.transport.name, [socket.id]);
      note("connect", engine.transport.name, [socket.id]);
      if (socket.recovered) {
        note("recovered", engine.transport.name, [socket.id]);
      }
      if (engine.transport.name === last) {
        ready();
      } else {
        engine.once("upgrade", ready);
      }
    });
    socket.on("disconnect", (reason) => note("disconnect", reason, []));
    for (const event of events) {
      socket.on(event, (...args) => note("event", event, args));
    }
    socket.on("question", (...args) => {
      const answer = args.pop();
      note("event", "question", args);
      answer(...args);
    });
    // Nothing that came may go unseen.
    socket.onAny((event, ...args) => {
      if (!socket.hasListeners(event)) {
        note("event", event, args);
      }
    });
  }

  return {
    open,
    ask({ name, args }) {
      const { socket, note } = clients.get(name);
      socket.emit("ask", ...args.map(fromJson), (...answer) => note("answer", "ask", answer));
    },
    close({ name }) {
      clients.get(name).socket.disconnect();
      clients.delete(name);
    },
  };
}

function asJson(value) {
  if (value instanceof ArrayBuffer || ArrayBuffer.isView(value)) {
    const bytes = value instanceof ArrayBuffer ? new Uint8Array(value) : value;
    return { $bytes: btoa(Array.from(bytes, (byte) => String.fromCharCode(byte)).join("")) };
  }
  if (value instanceof Date) {
    return { $date: value.toISOString() };
  }
  if (Array.isArray(value)) {
    return value.map(asJson);
  }
  if (typeof value === "object" && value !== null) {
    return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, asJson(item)]));
  }
  // JSON would leave these out, or make null of them.
  return value === undefined || typeof value === "function" ? { $odd: typeof value } : value;
}

function fromJson(value) {
  if (Array.isArray(value)) {
    return value.map(fromJson);
  }
  if (typeof value !== "object" || value === null) {
    return value;
  }
  if (Object.hasOwn(value, "$bytes")) {
    return Uint8Array.from(atob(value.$bytes), (character) => character.charCodeAt(0));
  }
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, fromJson(item)]));
}
