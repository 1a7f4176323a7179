/** A JSON value. A number that JavaScript cannot hold as it was written is kept as text. */
export type Json = null | boolean | number | string | RawNumber | Json[] | { [key: string]: Json };

/** A number as it was written, as JSON.rawJSON makes it. */
export interface RawNumber {
  readonly rawJSON: string;
}

type Reviver = (this: unknown, key: string, value: unknown, context?: { source: string }) => unknown;

const raw = JSON as unknown as {
  rawJSON?: (text: string) => RawNumber;
  isRawJSON?: (value: unknown) => boolean;
};

/**
 * Parses JSON without rounding: the log must be shown as it is, and 12345678901234567890 is not
 * 12345678901234567000. Browsers that do not hand out the source of a number round it.
 */
export function parse(text: string): unknown {
  const exact: Reviver = (_, value, context) =>
    typeof value === 'number' && context && raw.rawJSON && String(value) !== context.source ? raw.rawJSON(context.source) : value;
  return JSON.parse(text, exact as Parameters<typeof JSON.parse>[1]);
}

/** Whether a value is a number kept as it was written. */
export function isRaw(value: Json): value is RawNumber {
  return raw.isRawJSON?.(value) ?? false;
}

/** The value as indented text. */
export function pretty(value: Json): string {
  return JSON.stringify(value, null, 2);
}

/** The value on one line. */
export function compact(value: Json): string {
  return JSON.stringify(value);
}
