/**
 * Format 3 in browsers and Node: gives socket.io-client the packets that the server emitted.
 *
 * `io(url, { query: { reznet: 3 }, parser: rows(Manager) })`, with socket.io-client 4.x as it is. Mirrors
 * client/rows_decoder.py; docs/formats.md has the wire. Plain ES modules for browsers and Node 18+: this one and
 * rows-text.js beside it.
 */

import { apply, APPENDED, count, COUNTER, differenceOf, isDigit, numberOf, readMask, STEP } from "./rows-text.js";
import { FarTexts, RowsError, SIGNS, takeApart } from "./rows-text.js";

export { RowsError };

const FORGET = '"';
const SHAPE = "!";
const NEWEST_TEMPLATE = "#";
const ROW_TEMPLATE = "$";
const LONG = " ";
const VALUE_END = "\t";
// In front of a line that changes nothing here.
const ASIDE = "\x02";

// What a connection holds. Units: characters of text, which are Unicode's code points: a string may be twice as long.
const MAX_ROWS = 32;
const MAX_LEAVES = 512;
const MAX_PACKET_CHARS = 256 * 1024;
const MAX_KEPT_CHARS = 4 * 1024 * 1024;

interface Row {
  readonly leaves: string[];
  readonly steps: Map<number, number> | undefined;
  readonly length: number;
}

interface Shape {
  /** One more than there are leaves; the first begins with the packet. */
  readonly pieces: string[];
  /** The newest first. */
  readonly rows: Row[];
}

interface Template {
  readonly shape: Shape;
  readonly namesRow: boolean;
  /** The number of a leaf and its operation, by turns. */
  readonly operations: number[];
  readonly valueCount: number;
}

/** Shapes that both sides know before the first message, as `rows_seed` of the server's manager gives them. */
export interface RowsSeed {
  readonly name: string;
  readonly packets: readonly string[];
}

/** What one connection holds of what it was sent. */
export class RowsDecoder {
  private shapes = new Map<string, Shape>();
  private templates = new Map<string, Template>();
  private keptLength = 0;
  private far = new FarTexts();
  private readonly seed: RowsSeed | undefined;

  constructor(seed?: RowsSeed) {
    this.seed = seed;
  }

  /** A new connection, or a server that begins anew. */
  forget(): void {
    this.shapes.clear();
    this.templates.clear();
    this.keptLength = 0;
    this.far = new FarTexts();
  }

  /** The packets in the text of one Engine.IO message, in order. Throws RowsError. */
  decode(frame: string): string[] {
    if (frame === "" || isDigit(frame)) {
      return [frame];
    }
    const packets: string[] = [];
    for (const line of frame.split("\n")) {
      if (line[0] === FORGET) {
        this.forget();
        if (line !== FORGET) {
          this.sow(line.slice(1));
        }
      } else if (line !== "") {
        packets.push(isDigit(line) ? line : this.read(line));
      }
    }
    return packets;
  }

  private sow(name: string): void {
    if (this.seed?.name !== name) {
      throw new RowsError("a seed of that name was never given");
    }
    this.seed.packets.forEach((packet, index) => {
      const sign = SIGNS[index] as string;
      this.define(sign, packet);
      const shape = this.shapes.get(sign) as Shape;
      shape.rows[0] = { ...(shape.rows[0] as Row), length: 0 };
    });
    this.keptLength = 0;
  }

  private read(text: string): string {
    const isAside = text[0] === ASIDE;
    const line = this.far.expand(isAside ? text.slice(1) : text, !isAside);
    const sign = line[0] as string;
    if (sign === LONG) {
      return line.slice(1);
    }
    if (sign === NEWEST_TEMPLATE || sign === ROW_TEMPLATE) {
      return this.readMask(line, sign === ROW_TEMPLATE, isAside);
    }
    if (sign === SHAPE && !isAside) {
      return this.define(line[1], line.slice(2));
    }
    const template = this.templates.get(sign);
    if (template === undefined) {
      throw new RowsError("a template that was never told");
    }
    const rest = line.slice(template.namesRow ? 2 : 1);
    const values = rest === "" && template.valueCount === 0 ? [] : rest.split(VALUE_END);
    return this.follow(template, template.namesRow ? numberOf(line[1]) : 0, values, isAside);
  }

  private readMask(line: string, namesRow: boolean, isAside: boolean): string {
    const at = isAside ? 1 : 2;
    const shape = this.shapes.get(line[at] as string);
    if (shape === undefined) {
      throw new RowsError("a template of a shape that was never told");
    }
    const back = namesRow ? numberOf(line[at + 1]) : 0;
    const [mask, ...values] = line.slice(at + (namesRow ? 2 : 1)).split(VALUE_END);
    const operations = readMask(mask as string, shape.pieces.length - 1);
    const valueCount = operations.filter((operation, index) => index % 2 === 1 && operation !== COUNTER).length;
    const template = { shape, namesRow, operations, valueCount };
    if (!isAside) {
      numberOf(line[1]);
      this.templates.set(line[1] as string, template);
    }
    return this.follow(template, back, values, isAside);
  }

  private define(sign: string | undefined, packet: string): string {
    numberOf(sign);
    const { pieces, leaves } = takeApart(packet);
    if (leaves.length > MAX_LEAVES || packet.length > 2 * MAX_PACKET_CHARS) {
      throw new RowsError("a shape beyond what a connection holds");
    }
    const replaced = this.shapes.get(sign as string);
    if (replaced !== undefined) {
      for (const [name, template] of this.templates) {
        if (template.shape === replaced) {
          this.templates.delete(name);
        }
      }
      this.keptLength -= replaced.rows.reduce((sum, row) => sum + row.length, 0);
    }
    this.shapes.set(sign as string, { pieces, rows: [{ leaves, steps: undefined, length: packet.length }] });
    this.keep(packet.length);
    return packet;
  }

  private follow(template: Template, back: number, values: string[], isAside: boolean): string {
    const { shape, operations, valueCount } = template;
    const base = shape.rows[back];
    if (base === undefined || values.length !== valueCount) {
      throw new RowsError("a row that is not held, or values that do not fit it");
    }
    const leaves = base.leaves.slice();
    let steps: Map<number, number> | undefined;
    let grows = false;
    let given = 0;
    for (let index = 0; index < operations.length; index += 2) {
      const leaf = operations[index] as number;
      const operation = operations[index + 1] as number;
      const old = leaves[leaf] as string;
      if (operation === COUNTER || operation === STEP) {
        const step = operation === STEP ? differenceOf(values[given++] as string) : base.steps?.get(leaf);
        leaves[leaf] = count(old, step);
        steps ??= new Map();
        steps.set(leaf, step as number);
      } else {
        leaves[leaf] = apply(operation, values[given++] as string, old);
        grows ||= operation === APPENDED;
      }
    }
    let packet = shape.pieces[0] as string;
    let length = 0;
    for (let index = 0; index < leaves.length; ) {
      const leaf = leaves[index++] as string;
      packet += leaf + (shape.pieces[index] as string);
      length += leaf.length;
    }
    if (!isAside) {
      this.append(shape, { leaves, steps, length }, grows ? back : undefined);
    }
    return packet;
  }

  /** The newest row; the one that it goes on from, if it does, is dropped. */
  private append(shape: Shape, row: Row, goneOn: number | undefined): void {
    shape.rows.unshift(row);
    if (goneOn !== undefined) {
      this.keptLength -= (shape.rows.splice(goneOn + 1, 1)[0] as Row).length;
    }
    if (shape.rows.length > MAX_ROWS) {
      this.keptLength -= (shape.rows.pop() as Row).length;
    }
    this.keep(row.length);
  }

  private keep(length: number): void {
    this.keptLength += length;
    if (this.keptLength > 2 * MAX_KEPT_CHARS) {
      throw new RowsError("more text than a connection holds");
    }
  }
}

/** What `rows` needs to see of socket.io-client's `Manager`. */
export type ManagerLike = new (options: { autoConnect: boolean }) => unknown;

interface StockDecoder {
  add(data: unknown): void;
  destroy(): void;
}

/**
 * The `parser` option of socket.io-client: its own parser, with format 3 understood as well.
 *
 * Shape: socket.io-client's `Manager` -> `{Encoder, Decoder}`. A frame that cannot be right ends the connection, and
 * the client connects again. `seed`: what it knows beforehand; its name goes into the query, beside `reznet: 3`.
 */
export function rows(Manager: ManagerLike, seed?: RowsSeed): { Encoder: unknown; Decoder: unknown } {
  // A manager that never connects shows the parser that its bundle was built with.
  const stock = new Manager({ autoConnect: false }) as {
    encoder: { constructor: unknown };
    decoder: { constructor: new (...options: unknown[]) => StockDecoder };
  };

  class Decoder extends stock.decoder.constructor {
    private readonly rows = new RowsDecoder(seed);

    override add(data: unknown): void {
      if (typeof data !== "string") {
        return super.add(data);
      }
      for (const packet of this.rows.decode(data)) {
        super.add(packet);
      }
    }

    override destroy(): void {
      this.rows.forget();
      super.destroy();
    }
  }

  return { Encoder: stock.encoder.constructor, Decoder };
}
