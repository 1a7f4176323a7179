/**
 * The text of a value in JSON as it is written there: that of the first member with a name, outside of other members'
 * texts. Null if there is none. The JSON has to be valid.
 */
export function rawMember(json: string, name: string): string | null {
  const token = /"(?:[^"\\]|\\.)*"|[{}[\]]|:|[^\s"{}[\]:,]+/gy;
  const wanted = JSON.stringify(name);
  for (let at = 0, text = ''; at < json.length; ) {
    const { value, end } = next(token, json, at);
    if (value === ':' && text === wanted) return whole(token, json, end);
    [text, at] = [value, end];
  }
  return null;
}

/** The token at or behind a place, and where it ends. */
function next(token: RegExp, json: string, at: number): { value: string; end: number } {
  for (let begin = at; begin < json.length; begin++) {
    token.lastIndex = begin;
    const [value] = token.exec(json) ?? [];
    if (value !== undefined) return { value, end: begin + value.length };
  }
  return { value: '', end: json.length };
}

/** The whole value that begins at or behind a place. */
function whole(token: RegExp, json: string, at: number): string {
  const first = next(token, json, at);
  const begin = first.end - first.value.length;
  let depth = 0;
  for (let { value, end } = first; ; { value, end } = next(token, json, end)) {
    if (value === '{' || value === '[') depth++;
    if (value === '}' || value === ']') depth--;
    if (depth === 0 || value === '') return json.slice(begin, end);
  }
}
