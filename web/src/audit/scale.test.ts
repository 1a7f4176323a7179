import { expect, test } from 'vitest';
import { bars, brushed } from './scale.ts';

test('the tallest bar fills the height, and a denial is always seen', () => {
  expect(
    bars(
      [
        { allowed: 900, denied: 100 },
        { allowed: 500, denied: 1 },
        { allowed: 0, denied: 0 },
        { allowed: 1, denied: 0 },
        { allowed: 0, denied: 1 },
      ],
      100,
    ),
  ).toEqual([
    { allowed: 90, denied: 10 },
    { allowed: 48.1, denied: 2 },
    { allowed: 0, denied: 0 },
    { allowed: 2, denied: 0 },
    { allowed: 0, denied: 2 },
  ]);
  expect(bars([], 100)).toEqual([]);
  expect(bars([{ allowed: 0, denied: 0 }], 100)).toEqual([{ allowed: 0, denied: 0 }]);
});

test('what is brushed, from either end and beyond', () => {
  expect(brushed(0.1, 0.35, 10)).toEqual({ first: 1, last: 3 });
  expect(brushed(0.35, 0.1, 10)).toEqual({ first: 1, last: 3 });
  expect(brushed(-1, 2, 10)).toEqual({ first: 0, last: 9 });
  expect(brushed(0.999, 1, 1)).toEqual({ first: 0, last: 0 });
});
