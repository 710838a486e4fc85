/**
 * Format 3 in browsers and Node: gives socket.io-client the packets that the server emitted.
 *
 * `io(url, { query: { reznet: 3 }, parser: rows(Manager) })`, with socket.io-client 4.x as it is. Mirrors
 * client/rows_decoder.py; docs/formats.md has the wire. Plain ES modules for browsers and Node 18+: this one and rows-text.js beside it.
 */
import { apply, APPENDED, count, COUNTER, differenceOf, isDigit, numberOf, readMask, STEP } from "./rows-text.js";
import { FarTexts, RowsError, takeApart } from "./rows-text.js";
export { RowsError };
const FORGET = '"';
const SHAPE = "!";
const NEWEST_TEMPLATE = "#";
const ROW_TEMPLATE = "$";
const LONG = " ";
const VALUE_END = "\t";
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
            if (line === FORGET) {
                this.forget();
            }
            else if (line !== "") {
                packets.push(isDigit(line) ? line : this.read(this.far.expand(line)));
            }
        }
        return packets;
    }
    read(line) {
        switch (line[0]) {
            case LONG:
                return line.slice(1);
            case SHAPE:
                return this.define(line[1], line.slice(2));
            case NEWEST_TEMPLATE: {
                const values = line.slice(3).split(VALUE_END);
                return this.follow(this.learn(line, values.shift(), false), 0, values);
            }
            case ROW_TEMPLATE: {
                const values = line.slice(4).split(VALUE_END);
                return this.follow(this.learn(line, values.shift(), true), numberOf(line[3]), values);
            }
        }
        const template = this.templates.get(line[0]);
        if (template === undefined) {
            throw new RowsError("a template that was never told");
        }
        const text = line.slice(template.namesRow ? 2 : 1);
        const values = text === "" && template.valueCount === 0 ? [] : text.split(VALUE_END);
        return this.follow(template, template.namesRow ? numberOf(line[1]) : 0, values);
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
    learn(line, mask, namesRow) {
        const name = line[1];
        numberOf(name);
        const shape = this.shapes.get(line[2]);
        if (shape === undefined) {
            throw new RowsError("a template of a shape that was never told");
        }
        const operations = readMask(mask, shape.pieces.length - 1);
        const valueCount = operations.filter((operation, index) => index % 2 === 1 && operation !== COUNTER).length;
        const template = { shape, namesRow, operations, valueCount };
        this.templates.set(name, template);
        return template;
    }
    follow({ shape, operations, valueCount }, back, values) {
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
        shape.rows.unshift({ leaves, steps, length });
        if (grows) {
            this.keptLength -= base.length;
            shape.rows.splice(back + 1, 1);
        }
        if (shape.rows.length > MAX_ROWS) {
            this.keptLength -= shape.rows.pop().length;
        }
        this.keep(length);
        return packet;
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
 * Shape: socket.io-client's `Manager` -> `{Encoder, Decoder}`. A frame that cannot be right ends the connection, and the
 * client connects again.
 */
export function rows(Manager) {
    // A manager that never connects shows the parser that its bundle was built with.
    const stock = new Manager({ autoConnect: false });
    class Decoder extends stock.decoder.constructor {
        rows = new RowsDecoder();
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
