/** What a qualifier of GitHub's search says of times and numbers: `>=2026-01-02`, `<5`, `2026-01-01..2026-02-01`, `*..3`, `7`. */
import { momentOf } from './moments.js';

/** Both ends included; times in milliseconds since 1970. */
export interface Span {
  from: number;
  to: number;
}

interface Scale {
  /** Where a value begins; undefined for what is none. */
  start(text: string): number | undefined;
  /** How much it is: a day is all of it, and times are told by the second. */
  size(text: string): number;
}

const DAY_MS = 86_400_000;
const SECOND_MS = 1_000;

const scales: Readonly<Record<'time' | 'number', Scale>> = {
  time: { start: momentOf, size: (text) => (/^\d{4}-\d{2}-\d{2}$/.test(text) ? DAY_MS : SECOND_MS) },
  number: { start: (text) => (/^\d+$/.test(text) ? Number(text) : undefined), size: () => 1 },
};

function bounds(value: string): { from: string; to: string; without?: 'from' | 'to' } {
  const [, left, right] = /^(.+)\.\.(.+)$/.exec(value) ?? [];
  if (left !== undefined && right !== undefined) return { from: left, to: right };
  const [, sign = '', text = ''] = /^([<>]=?)?(.*)$/s.exec(value) ?? [];
  if (sign.startsWith('>')) return { from: text, to: '*', ...(sign === '>' && { without: 'from' }) };
  if (sign.startsWith('<')) return { from: '*', to: text, ...(sign === '<' && { without: 'to' }) };
  return { from: text, to: text };
}

/** undefined for what says nothing of the kind. */
export function spanOf(value: string, kind: keyof typeof scales): Span | undefined {
  const { start, size } = scales[kind];
  const { from, to, without } = bounds(value);
  const first = from === '*' ? Number.NEGATIVE_INFINITY : start(from);
  const last = to === '*' ? Number.POSITIVE_INFINITY : start(to);
  if (first === undefined || last === undefined) return undefined;
  return {
    from: without === 'from' ? first + size(from) : first,
    to: without === 'to' ? last - 1 : last + size(to) - 1,
  };
}
