/** Label and field selectors, as lists and watches take them. */
import { type ApiObject, StatusError } from './objects.js';

type Matcher = (object: ApiObject) => boolean;

const SET = /^(\S+)\s+(in|notin)\s+\(([^)]*)\)$/;

function labelTerm(term: string): Matcher {
  const set = SET.exec(term);
  if (set !== null) {
    const [, key = '', how, list = ''] = set;
    const values = list.split(',').map((value) => value.trim());
    return ({ metadata }) => {
      const value = metadata.labels?.[key];
      return how === 'in'
        ? value !== undefined && values.includes(value)
        : value === undefined || !values.includes(value);
    };
  }
  const [, key = '', operator, value = ''] = /^([^=!]+)(==|=|!=)(.*)$/.exec(term) ?? [];
  if (operator === '!=') return ({ metadata }) => metadata.labels?.[key] !== value;
  if (operator !== undefined) return ({ metadata }) => metadata.labels?.[key] === value;
  if (term.startsWith('!')) return ({ metadata }) => metadata.labels?.[term.slice(1)] === undefined;
  if (/^[A-Za-z0-9][\w./-]*$/.test(term)) return ({ metadata }) => metadata.labels?.[term] !== undefined;
  throw new StatusError(400, 'BadRequest', `unable to parse requirement: ${term}`);
}

/** Terms are parted by commas, but not those within parentheses. */
const terms = (text: string | null) =>
  (text ?? '')
    .split(/,(?![^(]*\))/)
    .map((term) => term.trim())
    .filter((term) => term !== '');

export function labelMatcher(text: string | null): Matcher {
  const all = terms(text).map(labelTerm);
  return (object) => all.every((matches) => matches(object));
}

export function fieldMatcher(text: string | null): Matcher {
  const all = terms(text).map((term): Matcher => {
    const [, path = '', operator = '=', value = ''] = /^([^=!]+)(==|=|!=)(.*)$/.exec(term) ?? [];
    return (object) => {
      let current: unknown = object;
      for (const step of path.split('.')) current = (current as Record<string, unknown> | undefined)?.[step];
      return (String(current ?? '') === value) === (operator !== '!=');
    };
  });
  return (object) => all.every((matches) => matches(object));
}
