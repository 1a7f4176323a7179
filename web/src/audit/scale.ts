/** A bar of the histogram, in pixels from its bottom. */
export interface Bar {
  allowed: number;
  denied: number;
}

/** What is there is seen, however little it is. */
const least = 2;

/** The heights of bars of which the tallest fills the height. A bar of which something was denied shows that. */
export function bars(counts: readonly { allowed: number; denied: number }[], height: number): Bar[] {
  const tallest = Math.max(1, ...counts.map(({ allowed, denied }) => allowed + denied));
  const tall = (count: number) => (count === 0 ? 0 : Math.max(least, (count / tallest) * height));
  return counts.map(({ allowed, denied }) => {
    const red = tall(denied);
    return { denied: red, allowed: allowed === 0 ? 0 : Math.max(least, Math.min(tall(allowed + denied), height) - red) };
  });
}

/** The buckets between two places on the axis, from 0 to 1, in whichever order. */
export function brushed(from: number, to: number, count: number): { first: number; last: number } {
  const at = (place: number) => Math.min(count - 1, Math.max(0, Math.floor(place * count)));
  return { first: Math.min(at(from), at(to)), last: Math.max(at(from), at(to)) };
}
