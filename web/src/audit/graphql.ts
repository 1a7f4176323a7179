import { initGraphQLTada } from 'gql.tada';
import type { Json } from './json.ts';
import type { introspection } from './schema.d.ts';

/** Makes a document whose variables and answer have the types that schema.graphqls gives them. */
export const graphql = initGraphQLTada<{
  introspection: introspection;
  scalars: { DateTime: string; UUID: string; ID: string; JSON: Json };
}>();

export type { ResultOf, VariablesOf } from 'gql.tada';
