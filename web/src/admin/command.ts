import { isRaw, parse, type Json } from '../audit/json.ts';
import type { TargetType } from './documents.ts';

/** Whether a target stands for every minion. Not every target that does is known here: an expression on grains may, too. */
export function everyone(type: TargetType, target: string): boolean {
  const text = target.trim();
  switch (type) {
    case 'GLOB':
    case 'COMPOUND':
      return /^\*+$/.test(text);
    case 'PCRE':
      return /^\^?\.[*+]\$?$/.test(text);
    case 'GRAIN':
      return /:\*+$/.test(text);
    default:
      return false;
  }
}

/** Positional arguments as they are typed, one a line. An empty line in between is an empty argument. */
export function toArgs(text: string): string[] {
  const lines = text.replace(/\r\n?/g, '\n').replace(/\n+$/, '');
  return lines === '' ? [] : lines.split('\n');
}

/** Keyword arguments as they are typed: an object in JSON, or nothing. Undefined if it is neither. */
export function toKwargs(text: string): { [key: string]: Json } | null | undefined {
  if (text.trim() === '') return null;
  try {
    const value = parse(text) as Json;
    return typeof value === 'object' && value !== null && !Array.isArray(value) && !isRaw(value) ? value : undefined;
  } catch {
    return undefined;
  }
}
