/** Versions as Terraform's configurations ask for them: `1.11.4`, `>= 1.9, < 2.0`, `~> 1.9`. */
import { compare, parse } from 'semver';

/** What a clause may say, and how it is met: `order` compares the version with the one that the clause names. */
const OPERATORS: Readonly<Record<string, (order: number) => boolean>> = {
  '=': (order) => order === 0,
  '!=': (order) => order !== 0,
  '>': (order) => order > 0,
  '>=': (order) => order >= 0,
  '<': (order) => order < 0,
  '<=': (order) => order <= 0,
};

const CLAUSE = /^(=|!=|>=|<=|>|<|~>)?\s*(\d{1,9}(?:\.\d{1,9}){0,2})(-[0-9A-Za-z.-]{1,40})?$/;

export type VersionTest = (version: string) => boolean;

function testOf(clause: string): VersionTest | undefined {
  const match = CLAUSE.exec(clause.trim());
  if (match === null) return undefined;
  const [, operator = '=', numbers = '', prerelease = ''] = match;
  const parts = numbers.split('.').map(Number);
  const named = parse(`${[...parts, 0, 0].slice(0, 3).join('.')}${prerelease}`);
  if (named === null) return undefined;
  // One that is not finished is taken only by who names it, as Terraform's own rule is.
  const fits = (version: string) => {
    const is = parse(version);
    return is !== null && (is.prerelease.length === 0 || (operator === '=' && prerelease !== ''));
  };
  if (operator !== '~>') {
    const met = OPERATORS[operator];
    return met && ((version) => fits(version) && met(compare(version, named)));
  }
  // Only the last part that was written may grow.
  const fixed = parts.slice(0, -1);
  return (version) => {
    const is = parse(version);
    if (is === null || !fits(version) || compare(is, named) < 0) return false;
    return fixed.every((part, at) => part === [is.major, is.minor, is.patch][at]);
  };
}

/** A test for versions; undefined when `text` is no constraint. All clauses, which commas part, have to be met. */
export function parseVersionConstraint(text: string): VersionTest | undefined {
  const tests = text.split(',').map(testOf);
  if (tests.some((test) => test === undefined)) return undefined;
  return (version) => tests.every((test) => test?.(version));
}
