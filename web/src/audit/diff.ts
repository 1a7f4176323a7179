import { compact, isRaw, type Json } from './json.ts';

/** A value that differs: where it stands, and what it was and became. Undefined: it was not there. */
export interface Difference {
  path: string;
  before: Json | undefined;
  after: Json | undefined;
}

/** What a change found and left, if the arguments of its entry tell. */
export function changeOf(args: Json | null | undefined): { before: Json | undefined; after: Json | undefined } | null {
  if (!isObject(args) || !('before' in args || 'after' in args)) return null;
  return { before: args['before'], after: args['after'] };
}

/** The differences between two values, in the order of the keys. Objects are entered, lists compared as a whole. */
export function diff(before: Json | undefined, after: Json | undefined, path = ''): Difference[] {
  if (before === undefined && after === undefined) return [];
  // null stands for an object that was not there.
  const [left, right] = [before ?? undefined, after ?? undefined];
  if ((isObject(left) || isObject(right)) && (left === undefined || isObject(left)) && (right === undefined || isObject(right))) {
    const names = [...new Set([...Object.keys(left ?? {}), ...Object.keys(right ?? {})])].sort();
    return names.flatMap((name) => diff(left?.[name], right?.[name], path === '' ? name : `${path}.${name}`));
  }
  if (before !== undefined && after !== undefined && compact(before) === compact(after)) return [];
  return [{ path, before, after }];
}

function isObject(value: Json | undefined): value is { [key: string]: Json } {
  return typeof value === 'object' && value !== null && !Array.isArray(value) && !isRaw(value);
}
