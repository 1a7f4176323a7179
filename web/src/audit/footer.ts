/** What the last line of an export says of the lines before it. */
export interface Footer {
  count: number;
  firstId: number;
  lastId: number;
  sha256: string;
}

/** The formats of an export. */
export type Format = 'csv' | 'ndjson';

/** Reads the last line of an export. Null if it is no footer: the file was cut. */
export function readFooter(format: Format, line: string): Footer | null {
  try {
    const footer: unknown = format === 'csv' ? JSON.parse(csvFooter(line)) : JSON.parse(line)?.footer;
    const { count, first_id: firstId, last_id: lastId, sha256 } = footer as Record<string, unknown>;
    if (typeof count !== 'number' || typeof firstId !== 'number' || typeof lastId !== 'number' || typeof sha256 !== 'string') return null;
    return { count, firstId, lastId, sha256 };
  } catch {
    return null;
  }
}

/** The JSON in the one cell of a footer in CSV. */
function csvFooter(line: string): string {
  const cell = line.startsWith('"') && line.endsWith('"') ? line.slice(1, -1).replaceAll('""', '"') : line;
  if (!cell.startsWith('#footer ')) throw new SyntaxError('no footer');
  return cell.slice('#footer '.length);
}

const lineFeed = 10;

/** More than any footer is long. */
const kept = 256 << 10;

/** Follows the bytes of an export: counts lines, and keeps the last of them. */
export class Lines {
  /** Lines that have ended. A cell of a CSV file may hold a line break. */
  count = 0;
  /** Bytes so far. */
  bytes = 0;
  #tail = new Uint8Array();

  /** Takes the next bytes. */
  add(chunk: Uint8Array): void {
    for (let at = chunk.indexOf(lineFeed); at >= 0; at = chunk.indexOf(lineFeed, at + 1)) this.count++;
    this.bytes += chunk.length;
    const joined = new Uint8Array(this.#tail.length + chunk.length);
    joined.set(this.#tail);
    joined.set(chunk, this.#tail.length);
    this.#tail = joined.slice(-kept);
  }

  /** The last line without its end, and the bytes before it. A line that does not end is none. */
  get last(): { text: string; before: number } {
    const end = this.#tail.length - 1;
    if (this.#tail[end] !== lineFeed) return { text: '', before: this.bytes };
    const begin = this.#tail.lastIndexOf(lineFeed, end - 1) + 1;
    const line = this.#tail.subarray(begin, end);
    return { text: new TextDecoder().decode(line).replace(/\r$/, ''), before: this.bytes - (end + 1 - begin) };
  }
}
