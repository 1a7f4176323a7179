import { diff } from './diff.ts';
import type { Json } from './json.ts';
import { Leaf } from './Tree.tsx';

/** What a change found and left, field by field. */
export function Changes({ before, after }: { before: Json | undefined; after: Json | undefined }) {
  const differences = diff(before, after);
  if (differences.length === 0) return <p className="quiet">Nothing differs.</p>;
  return (
    <table className="changes">
      <thead>
        <tr>
          <th scope="col">Field</th>
          <th scope="col">Before</th>
          <th scope="col">After</th>
        </tr>
      </thead>
      <tbody>
        {differences.map(({ path, before, after }) => (
          <tr key={path}>
            <th scope="row">{path || 'value'}</th>
            <Side value={before} as="del" />
            <Side value={after} as="ins" />
          </tr>
        ))}
      </tbody>
    </table>
  );
}

function Side({ value, as: Element }: { value: Json | undefined; as: 'del' | 'ins' }) {
  return <td>{value === undefined ? <span className="quiet">none</span> : <Element><Value value={value} /></Element>}</td>;
}

function Value({ value }: { value: Json }) {
  return Array.isArray(value) ? <>{value.map((item, index) => <div key={index}><Value value={item} /></div>)}{value.length === 0 && '[ ]'}</> : <Leaf value={value} />;
}
