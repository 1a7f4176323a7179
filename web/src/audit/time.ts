/** In which zone moments are shown and entered. */
export type Zone = 'local' | 'utc';

/** A moment as the schema writes it: UTC with microseconds. */
const canonical = /^(\d{4}-\d\d-\d\d)T(\d\d:\d\d:\d\d)(?:\.(\d{1,9}))?Z$/;

const two = (value: number) => String(value).padStart(2, '0');

/** The moment to the second, such as 2026-01-02 03:04:05. */
export function toSecond(at: string, zone: Zone): string {
  const time = new Date(at);
  if (Number.isNaN(time.getTime())) return at;
  return zone === 'utc'
    ? `${time.getUTCFullYear()}-${two(time.getUTCMonth() + 1)}-${two(time.getUTCDate())} ${two(time.getUTCHours())}:${two(time.getUTCMinutes())}:${two(time.getUTCSeconds())}`
    : `${time.getFullYear()}-${two(time.getMonth() + 1)}-${two(time.getDate())} ${two(time.getHours())}:${two(time.getMinutes())}:${two(time.getSeconds())}`;
}

/** The moment to the microsecond with its offset, such as 2026-01-02 03:04:05.678901 UTC. */
export function exact(at: string, zone: Zone): string {
  const fraction = (canonical.exec(at)?.[3] ?? '').padEnd(6, '0');
  return `${toSecond(at, zone)}.${fraction} ${zone === 'utc' ? 'UTC' : offset(new Date(at))}`;
}

/** The offset of local time at a moment, such as +01:00. */
export function offset(time: Date): string {
  const minutes = -time.getTimezoneOffset();
  const size = Math.abs(minutes);
  return `${minutes < 0 ? '−' : '+'}${two(Math.floor(size / 60))}:${two(size % 60)}`;
}

/** What a zone is called: UTC, or the name of the browser's own. */
export function zoneName(zone: Zone): string {
  return zone === 'utc' ? 'UTC' : Intl.DateTimeFormat().resolvedOptions().timeZone;
}

/** The moment as a field of the type datetime-local shows it. */
export function toField(at: string, zone: Zone): string {
  return toSecond(at, zone).replace(' ', 'T');
}

/** The moment that a field of the type datetime-local holds, or null if it holds none. */
export function fromField(value: string, zone: Zone): string | null {
  return value === '' ? null : toMoment(zone === 'utc' ? `${value}Z` : value);
}

/** The moment that a text names, written canonically: RFC 3339, or without an offset in local time. Null if it names none. */
export function toMoment(text: string): string | null {
  const found = canonical.exec(text);
  const time = new Date(text);
  if (Number.isNaN(time.getTime()) || time.getUTCFullYear() < 1 || time.getUTCFullYear() > 9999) return null;
  const micros = found ? (found[3] ?? '').padEnd(6, '0').slice(0, 6) : `${String(time.getUTCMilliseconds()).padStart(3, '0')}000`;
  return `${time.toISOString().slice(0, 19)}.${micros}Z`;
}

/** The moment one microsecond later. */
export function next(at: string): string {
  const moment = toMoment(at);
  if (moment === null) throw new RangeError(`not a moment: ${at}`);
  const micros = Number(moment.slice(20, 26)) + 1;
  if (micros < 1_000_000) return `${moment.slice(0, 20)}${String(micros).padStart(6, '0')}Z`;
  return `${new Date(Date.parse(`${moment.slice(0, 19)}Z`) + 1000).toISOString().slice(0, 19)}.000000Z`;
}

/** The whole second so many before now. */
export function ago(seconds: number, now: Date): string {
  return toMoment(new Date(Math.floor(now.getTime() / 1000 - seconds) * 1000).toISOString())!;
}

/** The time of day of an instant, to the second. */
export function clock(instant: number, zone: Zone): string {
  return toSecond(new Date(instant).toISOString(), zone).slice(11);
}

/** A duration as it is read: 12 ms, 1.3 s, 2 min 5 s. */
export function duration(ms: number): string {
  if (ms < 1000) return `${ms} ms`;
  if (ms < 60_000) return `${(ms / 1000).toFixed(1)} s`;
  return `${Math.floor(ms / 60_000)} min ${Math.floor((ms % 60_000) / 1000)} s`;
}
