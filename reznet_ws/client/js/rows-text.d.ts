/**
 * Format 3's words for rows.ts: signs, masks, what a leaf becomes, how a packet falls apart, and far references.
 *
 * Mirrors message/rows_text.py, rows_changes.py and rows_far.py.
 */
export declare const SIGNS: string;
export declare const COUNTER = 0;
export declare const STEP = 1;
export declare const APPENDED = 4;
/** A frame that says what no server can have sent to this connection; socket.io-client closes it and connects again. */
export declare class RowsError extends Error {
    readonly name = "RowsError";
}
/** The long lines so far, where far references lie. */
export declare class FarTexts {
    private texts;
    private end;
    /** The line as it was, itself a text for later ones if it is to be kept. Throws RowsError. */
    expand(line: string, keep: boolean): string;
    private fill;
    private read;
}
export declare function isDigit(text: string): boolean;
export declare function numberOf(sign: string | undefined): number;
/** The number of a leaf and its operation, by turns. */
export declare function readMask(mask: string, leafCount: number): number[];
export declare function differenceOf(text: string): number;
export declare function count(old: string, step: number | undefined): string;
export declare function apply(operation: number, text: string, old: string): string;
/** What stands between a packet's values, and the values' own text. */
export declare function takeApart(packet: string): {
    pieces: string[];
    leaves: string[];
};
