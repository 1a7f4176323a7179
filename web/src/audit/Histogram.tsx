import { useRef, useState, type PointerEvent } from 'react';
import type { Bucket } from './documents.ts';
import { number } from './format.ts';
import { bars, brushed } from './scale.ts';
import { toSecond, type Zone } from './time.ts';

interface Props {
  buckets: readonly Bucket[];
  /** What a bucket is called: day, hour. */
  unit: string;
  zone: Zone;
  /** Restricts the filter to some buckets. */
  onRange: (since: string, until: string) => void;
}

const height = 112;

/** Entries over time, denied ones at the foot of each bar. Buckets are chosen with the pointer; the filter's fields do the same. */
export function Histogram({ buckets, unit, zone, onRange }: Props) {
  const [brush, setBrush] = useState<{ from: number; to: number } | null>(null);
  const area = useRef<SVGSVGElement>(null);
  const [first, last] = [buckets[0], buckets.at(-1)];
  if (!first || !last) return <p className="quiet">Nothing to draw.</p>;

  const sum = (of: 'allowed' | 'denied') => buckets.reduce((total, bucket) => total + bucket[of], 0);
  const chosen = brush && brushed(brush.from, brush.to, buckets.length);
  const place = (event: PointerEvent) => {
    const { left, width } = area.current!.getBoundingClientRect();
    return (event.clientX - left) / width;
  };
  const label = (at: string) => toSecond(at, zone).replace(/ 00:00:00$/, '').replace(/:00$/, '');

  return (
    <figure className="histogram">
      <figcaption>
        {chosen ? (
          <>
            From {label(buckets[chosen.first]!.since)} to {label(buckets[chosen.last]!.until)}
          </>
        ) : (
          <>
            By {unit}: <b>{number(sum('allowed'))}</b> allowed, <b className="red">{number(sum('denied'))}</b> denied
          </>
        )}
      </figcaption>
      <svg
        ref={area}
        viewBox={`0 0 ${buckets.length} ${height}`}
        preserveAspectRatio="none"
        role="img"
        aria-label={`Entries from ${label(first.since)} to ${label(last.until)} by ${unit}. The table behind says how many.`}
        onPointerDown={(event) => {
          if (event.button !== 0) return;
          event.currentTarget.setPointerCapture(event.pointerId);
          setBrush({ from: place(event), to: place(event) });
        }}
        onPointerMove={(event) => setBrush((before) => before && { ...before, to: place(event) })}
        onPointerCancel={() => setBrush(null)}
        onPointerUp={() => {
          if (chosen) onRange(buckets[chosen.first]!.since, buckets[chosen.last]!.until);
          setBrush(null);
        }}
      >
        {bars(buckets, height).map(({ allowed, denied }, index) => (
          <g key={buckets[index]!.since}>
            <title>
              {`${label(buckets[index]!.since)}: ${number(buckets[index]!.allowed)} allowed, ${number(buckets[index]!.denied)} denied`}
            </title>
            <rect className="ground" x={index} y={0} width={1} height={height} />
            <rect className="allowed" x={index + 0.08} y={height - denied - allowed} width={0.84} height={allowed} />
            <rect className="denied" x={index + 0.08} y={height - denied} width={0.84} height={denied} />
          </g>
        ))}
        {chosen && <rect className="brush" x={chosen.first} y={0} width={chosen.last - chosen.first + 1} height={height} />}
      </svg>
      <div className="axis" aria-hidden="true">
        <span>{label(first.since)}</span>
        <span>{label(last.until)}</span>
      </div>
      <table className="unseen">
        <caption>Entries by {unit}</caption>
        <thead>
          <tr>
            <th scope="col">From</th>
            <th scope="col">Allowed</th>
            <th scope="col">Denied</th>
          </tr>
        </thead>
        <tbody>
          {buckets
            .filter(({ allowed, denied }) => allowed + denied > 0)
            .map(({ since, allowed, denied }) => (
              <tr key={since}>
                <th scope="row">{label(since)}</th>
                <td>{allowed}</td>
                <td>{denied}</td>
              </tr>
            ))}
        </tbody>
      </table>
    </figure>
  );
}
