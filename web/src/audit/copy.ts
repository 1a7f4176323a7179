import { text } from './client.ts';
import { entryDocument, listDocument, type FilterInput } from './documents.ts';
import { toQuery, type Filter } from './filter.ts';

/** A question that can be copied out of the page. */
export interface Question {
  document: Parameters<typeof text>[0];
  variables: object;
}

/** The question that a page of the log answers. */
export const listQuestion = (filter: FilterInput, limit: number, offset: number): Question => ({
  document: listDocument,
  variables: { filter, limit, offset },
});

/** The question that an entry answers. */
export const entryQuestion = (id: string): Question => ({ document: entryDocument, variables: { id } });

/** The operation with its variables below it, for GraphiQL or a program. */
export function asGraphQL({ document, variables }: Question): string {
  return `${text(document)}\n\n# Variables\n${comment(JSON.stringify(variables, null, 2))}\n`;
}

/** The question as a command for a POSIX shell. The session is in a cookie that scripts cannot read: it comes from a file. */
export function asCurl({ document, variables }: Question, origin: string): string {
  const query = text(document).replace(/\s+/g, ' ');
  return [
    `curl -b session.txt -H 'Content-Type: application/json'`,
    `-d ${quote(JSON.stringify({ query, variables }))} ${quote(`${origin}/graphql`)}`,
  ].join(' \\\n  ');
}

/** An export as a command for a POSIX shell. */
export function exportAsCurl(path: string, origin: string): string {
  return `curl -b session.txt --compressed -OJ ${quote(`${origin}${path}`)}`;
}

/** Where the entries of a filter are had as a file; null if the route cannot tell that filter. */
export function exportPath(filter: Filter, format: string): string | null {
  const params = toQuery(filter);
  params?.set('format', format);
  return params && `/api/audit/export?${params}`;
}

const quote = (text: string) => `'${text.replaceAll("'", `'\\''`)}'`;

const comment = (text: string) => text.replace(/^/gm, '# ');
