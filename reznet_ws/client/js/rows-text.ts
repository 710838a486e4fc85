/**
 * Format 3's words for rows.ts: signs, masks, what a leaf becomes, how a packet falls apart, and far references.
 *
 * Mirrors message/rows_text.py, rows_changes.py and rows_far.py.
 */

// One printable character of ASCII for each number below 80; a line that begins with another one has a sign of its own.
export const SIGNS = "%&'()*+,-./" + String.fromCharCode(...Array.from({ length: 69 }, (_, index) => 58 + index));
const NUMBERS = new Map(Array.from(SIGNS, (sign, number) => [sign, number]));
const FAR = "\x01";
// A reference: four signs for how far back, three for how long.
const DISTANCE_SIGNS = 4;
const REFERENCE_SIGNS = 7;
const PREFIX_SIGNS = SIGNS.length;

// What may have happened to a leaf, in the order of their numbers in a mask; each comes with how many leaves before it
// stayed as they were.
export const COUNTER = 0;
export const STEP = 1;
const TOKEN = 2;
const STRING = 3;
export const APPENDED = 4;
const PREFIX = 5;
const OPERATIONS = 7;
const GAPS = 11;

const WHOLE = /^(?:0|-?[1-9][0-9]{0,14})$/;
const DIFFERENCE = /^(?:0|-?[1-9][0-9]{0,15})$/;
const BASE64_UUID = /^[A-Za-z0-9+/]{21}[AQgw]$/;
const SURROGATE = /[\ud800-\udfff]/;

// Units: characters of text, which are Unicode's code points.
const MAX_FAR_CHARS = 4 * 1024 * 1024;
const MIN_TEXT_CHARS = 512;
const MAX_CHARS = 10 * 1024 * 1024;

/** A frame that says what no server can have sent to this connection; socket.io-client closes it and connects again. */
export class RowsError extends Error {
  override readonly name = "RowsError";
}

/** The long lines so far, where far references lie. */
export class FarTexts {
  private texts: { start: number; text: string; hasPairs: boolean }[] = [];
  private end = 0;

  /** The line as it was, itself a text for later ones if it is to be kept. Throws RowsError. */
  expand(line: string, keep: boolean): string {
    const whole = line.includes(FAR) ? this.fill(line) : line;
    if (!keep || whole.length < MIN_TEXT_CHARS) {
      return whole;
    }
    const hasPairs = SURROGATE.test(whole);
    const chars = hasPairs ? Array.from(whole).length : whole.length;
    if (chars >= MIN_TEXT_CHARS) {
      this.texts.push({ start: this.end, text: whole, hasPairs });
      this.end += chars;
      const kept = this.texts.findIndex(({ start }) => this.end - start <= MAX_FAR_CHARS);
      this.texts.splice(0, kept < 0 ? this.texts.length : kept);
    }
    return whole;
  }

  private fill(line: string): string {
    const [first, ...references] = line.split(FAR);
    let whole = first as string;
    for (const reference of references) {
      const distance = digitsOf(reference.slice(0, DISTANCE_SIGNS));
      const length = digitsOf(reference.slice(DISTANCE_SIGNS, REFERENCE_SIGNS));
      if (reference.length < REFERENCE_SIGNS || whole.length + length > MAX_CHARS) {
        throw new RowsError("a reference that is cut, or a line beyond what a connection takes");
      }
      whole += this.read(this.end - distance, length) + reference.slice(REFERENCE_SIGNS);
    }
    return whole;
  }

  private read(place: number, length: number): string {
    let low = 0;
    let high = this.texts.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((this.texts[middle] as { start: number }).start <= place) {
        low = middle + 1;
      } else {
        high = middle;
      }
    }
    const found = this.texts[low - 1];
    if (found === undefined) {
      throw new RowsError("a reference to what was never sent");
    }
    const chars = found.hasPairs ? Array.from(found.text) : found.text;
    const offset = place - found.start;
    if (offset + length > chars.length) {
      throw new RowsError("a reference beyond its text");
    }
    const part = chars.slice(offset, offset + length);
    return typeof part === "string" ? part : part.join("");
  }
}

export function isDigit(text: string): boolean {
  const code = text.charCodeAt(0);
  return 48 <= code && code <= 57;
}

export function numberOf(sign: string | undefined): number {
  const number = NUMBERS.get(sign as string);
  if (number === undefined) {
    throw new RowsError("a sign that is none");
  }
  return number;
}

function digitsOf(signs: string): number {
  return Array.from(signs, numberOf).reduce((number, digit) => number * SIGNS.length + digit, 0);
}

/** The number of a leaf and its operation, by turns. */
export function readMask(mask: string, leafCount: number): number[] {
  const operations: number[] = [];
  let leaf = 0;
  for (const sign of mask) {
    const number = numberOf(sign);
    if (number === OPERATIONS * GAPS) {
      leaf += GAPS;
      continue;
    }
    leaf += number % GAPS;
    if (number > OPERATIONS * GAPS || leaf >= leafCount) {
      throw new RowsError("a mask of leaves that are none");
    }
    operations.push(leaf, Math.floor(number / GAPS));
    leaf += 1;
  }
  return operations;
}

export function differenceOf(text: string): number {
  if (!DIFFERENCE.test(text)) {
    throw new RowsError("a difference that is none");
  }
  return Number(text);
}

export function count(old: string, step: number | undefined): string {
  const counted = step === undefined || !WHOLE.test(old) ? "" : String(Number(old) + step);
  if (!WHOLE.test(counted)) {
    throw new RowsError("a counter that does not count");
  }
  return counted;
}

export function apply(operation: number, text: string, old: string): string {
  switch (operation) {
    case TOKEN:
      if (text === "" || text[0] === '"') {
        break;
      }
      return text;
    case STRING:
      return `"${text}"`;
    case APPENDED:
      if (old[0] !== '"') {
        break;
      }
      return `${old.slice(0, -1)}${text}"`;
    case PREFIX: {
      const chars = (NUMBERS.get(text[0] as string) ?? PREFIX_SIGNS) + 1;
      let kept = old.slice(0, chars + 1);
      if (SURROGATE.test(kept)) {
        kept = Array.from(old.slice(0, 2 * PREFIX_SIGNS + 2)).slice(0, chars + 1).join("");
      }
      if (old[0] !== '"' || chars > PREFIX_SIGNS || kept.length > old.length - 1) {
        break;
      }
      return `${kept}${text.slice(1)}"`;
    }
    default:
      if (!BASE64_UUID.test(text)) {
        break;
      }
      return `"${uuidOf(text)}"`;
  }
  throw new RowsError("a change that does not fit its leaf");
}

const BASE64 = new Map(
  Array.from("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/", (sign, number) => [sign, number]),
);

const UUID_PARTS = [[0, 8], [8, 12], [12, 16], [16, 20], [20, 32]] as const;

function uuidOf(text: string): string {
  let digits = "";
  for (let index = 0; index < 22; index += 2) {
    const high = BASE64.get(text[index] as string) as number;
    const low = BASE64.get(text[index + 1] as string) as number;
    digits += ((high << 6) | low).toString(16).padStart(3, "0");
  }
  return UUID_PARTS.map(([begin, end]) => digits.slice(begin, end)).join("-");
}

/** What stands between a packet's values, and the values' own text. */
export function takeApart(packet: string): { pieces: string[]; leaves: string[] } {
  const pieces: string[] = [];
  const leaves: string[] = [];
  // A namespace may hold any bracket, and ends with a comma.
  const begin = packet[1] === "/" ? packet.indexOf(",") + 1 : 1;
  if (!packet.startsWith('["', begin)) {
    throw new RowsError("a shape that is no event");
  }
  let at = endOfString(packet, begin + 1);
  let piece = 0;
  while (at < packet.length) {
    const start = at;
    const sign = packet[at] as string;
    if (" {}[],:".includes(sign)) {
      at += 1;
      continue;
    }
    if (sign === '"') {
      at = endOfString(packet, at);
      let next = at;
      while (packet[next] === " ") {
        next += 1;
      }
      if (packet[next] === ":") {
        at = next + 1;
        continue;
      }
    } else {
      while (at < packet.length && !' {}[],:"'.includes(packet[at] as string)) {
        at += 1;
      }
    }
    pieces.push(packet.slice(piece, start));
    leaves.push(packet.slice(start, at));
    piece = at;
  }
  pieces.push(packet.slice(piece));
  return { pieces, leaves };
}

function endOfString(text: string, begin: number): number {
  for (let at = begin + 1; at < text.length; at += 1) {
    const sign = text[at];
    if (sign === '"') {
      return at + 1;
    }
    if (sign === "\\") {
      at += 1;
    }
  }
  throw new RowsError("a string without an end");
}

