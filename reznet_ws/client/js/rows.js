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
/** What one connection holds of what it was sent. */
export class RowsDecoder {
    shapes = new Map();
    templates = new Map();
    keptLength = 0;
    far = new FarTexts();
    seed;
    constructor(seed) {
        this.seed = seed;
    }
    /** A new connection, or a server that begins anew. */
    forget() {
        this.shapes.clear();
        this.templates.clear();
        this.keptLength = 0;
        this.far = new FarTexts();
    }
    /** The packets in the text of one Engine.IO message, in order. Throws RowsError. */
    decode(frame) {
        if (frame === "" || isDigit(frame)) {
            return [frame];
        }
        const packets = [];
        for (const line of frame.split("\n")) {
            if (line[0] === FORGET) {
                this.forget();
                if (line !== FORGET) {
                    this.sow(line.slice(1));
                }
            }
            else if (line !== "") {
                packets.push(isDigit(line) ? line : this.read(line));
            }
        }
        return packets;
    }
    sow(name) {
        if (this.seed?.name !== name) {
            throw new RowsError("a seed of that name was never given");
        }
        this.seed.packets.forEach((packet, index) => {
            const sign = SIGNS[index];
            this.define(sign, packet);
            const shape = this.shapes.get(sign);
            shape.rows[0] = { ...shape.rows[0], length: 0 };
        });
        this.keptLength = 0;
    }
    read(text) {
        const isAside = text[0] === ASIDE;
        const line = this.far.expand(isAside ? text.slice(1) : text, !isAside);
        const sign = line[0];
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
    readMask(line, namesRow, isAside) {
        const at = isAside ? 1 : 2;
        const shape = this.shapes.get(line[at]);
        if (shape === undefined) {
            throw new RowsError("a template of a shape that was never told");
        }
        const back = namesRow ? numberOf(line[at + 1]) : 0;
        const [mask, ...values] = line.slice(at + (namesRow ? 2 : 1)).split(VALUE_END);
        const operations = readMask(mask, shape.pieces.length - 1);
        const valueCount = operations.filter((operation, index) => index % 2 === 1 && operation !== COUNTER).length;
        const template = { shape, namesRow, operations, valueCount };
        if (!isAside) {
            numberOf(line[1]);
            this.templates.set(line[1], template);
        }
        return this.follow(template, back, values, isAside);
    }
    define(sign, packet) {
        numberOf(sign);
        const { pieces, leaves } = takeApart(packet);
        if (leaves.length > MAX_LEAVES || packet.length > 2 * MAX_PACKET_CHARS) {
            throw new RowsError("a shape beyond what a connection holds");
        }
        const replaced = this.shapes.get(sign);
        if (replaced !== undefined) {
            for (const [name, template] of this.templates) {
                if (template.shape === replaced) {
                    this.templates.delete(name);
                }
            }
            this.keptLength -= replaced.rows.reduce((sum, row) => sum + row.length, 0);
        }
        this.shapes.set(sign, { pieces, rows: [{ leaves, steps: undefined, length: packet.length }] });
        this.keep(packet.length);
        return packet;
    }
    follow(template, back, values, isAside) {
        const { shape, operations, valueCount } = template;
        const base = shape.rows[back];
        if (base === undefined || values.length !== valueCount) {
            throw new RowsError("a row that is not held, or values that do not fit it");
        }
        const leaves = base.leaves.slice();
        let steps;
        let grows = false;
        let given = 0;
        for (let index = 0; index < operations.length; index += 2) {
            const leaf = operations[index];
            const operation = operations[index + 1];
            const old = leaves[leaf];
            if (operation === COUNTER || operation === STEP) {
                const step = operation === STEP ? differenceOf(values[given++]) : base.steps?.get(leaf);
                leaves[leaf] = count(old, step);
                steps ??= new Map();
                steps.set(leaf, step);
            }
            else {
                leaves[leaf] = apply(operation, values[given++], old);
                grows ||= operation === APPENDED;
            }
        }
        let packet = shape.pieces[0];
        let length = 0;
        for (let index = 0; index < leaves.length;) {
            const leaf = leaves[index++];
            packet += leaf + shape.pieces[index];
            length += leaf.length;
        }
        if (!isAside) {
            this.append(shape, { leaves, steps, length }, grows ? back : undefined);
        }
        return packet;
    }
    /** The newest row; the one that it goes on from, if it does, is dropped. */
    append(shape, row, goneOn) {
        shape.rows.unshift(row);
        if (goneOn !== undefined) {
            this.keptLength -= shape.rows.splice(goneOn + 1, 1)[0].length;
        }
        if (shape.rows.length > MAX_ROWS) {
            this.keptLength -= shape.rows.pop().length;
        }
        this.keep(row.length);
    }
    keep(length) {
        this.keptLength += length;
        if (this.keptLength > 2 * MAX_KEPT_CHARS) {
            throw new RowsError("more text than a connection holds");
        }
    }
}
/**
 * The `parser` option of socket.io-client: its own parser, with format 3 understood as well.
 *
 * Shape: socket.io-client's `Manager` -> `{Encoder, Decoder}`. A frame that cannot be right ends the connection, and
 * the client connects again. `seed`: what it knows beforehand; its name goes into the query, beside `reznet: 3`.
 */
export function rows(Manager, seed) {
    // A manager that never connects shows the parser that its bundle was built with.
    const stock = new Manager({ autoConnect: false });
    class Decoder extends stock.decoder.constructor {
        rows = new RowsDecoder(seed);
        add(data) {
            if (typeof data !== "string") {
                return super.add(data);
            }
            for (const packet of this.rows.decode(data)) {
                super.add(packet);
            }
        }
        destroy() {
            this.rows.forget();
            super.destroy();
        }
    }
    return { Encoder: stock.encoder.constructor, Decoder };
}
