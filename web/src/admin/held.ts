import type { Held } from './documents.ts';
import { parts, type Part } from './place.ts';

const pattern = /[*?[]/;

/**
 * Whether what somebody holds may allow a verb on some object of a namespace. True is no promise: which objects a pattern matches, the server
 * alone decides. False is one, so that nothing has to be offered that would be refused in any case.
 */
export function may(held: Held, verb: string, namespace: string): boolean {
  return held.some((pair) => {
    if (pair.verb !== verb && !pattern.test(pair.verb)) return false;
    const wild = pair.resourceGlob.search(pattern);
    const fixed = wild < 0 ? pair.resourceGlob : pair.resourceGlob.slice(0, wild);
    const wanted = `${namespace}:`;
    return fixed.startsWith(wanted) || (wild >= 0 && wanted.startsWith(fixed));
  });
}

/** What a part of the administration needs to be of any use. */
export const needs: Record<Part, { verb: string; namespace: string; resource: string }> = {
  users: { verb: 'view', namespace: 'user', resource: 'user:*' },
  roles: { verb: 'view', namespace: 'role', resource: 'role:*' },
  settings: { verb: 'edit', namespace: 'settings', resource: 'settings:salt' },
  run: { verb: 'execute', namespace: 'salt', resource: 'salt:*' },
  keys: { verb: 'view', namespace: 'key', resource: 'key:*' },
};

/** The parts that may be of use to somebody. */
export const useful = (held: Held): Part[] => parts.filter((part) => may(held, needs[part].verb, needs[part].namespace));
