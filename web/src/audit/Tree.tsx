import { isRaw, type Json } from './json.ts';

/** A JSON value, with lists and objects that fold. What lies deep is folded at first. */
export function Tree({ value }: { value: Json }) {
  return (
    <div className="tree">
      <Node value={value} depth={0} />
    </div>
  );
}

/** A value as large as this is folded even where it is not deep. */
const large = 50;

function Node({ name, value, depth }: { name?: string; value: Json; depth: number }) {
  const label = name !== undefined && <span className="name">{name}: </span>;
  const inside = inner(value);
  if (inside === null) {
    return (
      <span>
        {label}
        <Leaf value={value} />
      </span>
    );
  }
  const list = Array.isArray(value);
  const size = inside.length;
  if (size === 0) return <span>{label}{list ? '[ ]' : '{ }'}</span>;
  const children = (
    <ul>
      {inside.map(([key, child]) => (
        <li key={key}>
          <Node name={key} value={child} depth={depth + 1} />
        </li>
      ))}
    </ul>
  );
  if (depth === 0) return children;
  return (
    <details open={depth < 3 && size <= large}>
      <summary>
        {label}
        <span className="quiet">{list ? `${size} in a list` : `${size} ${size === 1 ? 'key' : 'keys'}`}</span>
      </summary>
      {children}
    </details>
  );
}

/** The names and values in a list or an object; null for any other value. */
function inner(value: Json): [string, Json][] | null {
  if (typeof value !== 'object' || value === null || isRaw(value)) return null;
  return Array.isArray(value) ? value.map((item, index) => [String(index), item]) : Object.entries(value);
}

/** A value without parts, as JSON writes it. */
export function Leaf({ value }: { value: Json }) {
  if (value === '<redacted>') return <span className="redacted">redacted</span>;
  if (typeof value === 'string') return <span className="text">{JSON.stringify(value)}</span>;
  if (typeof value === 'object' && value !== null && isRaw(value)) return <span className="plain">{value.rawJSON}</span>;
  return <span className="plain">{JSON.stringify(value)}</span>;
}
