/** Variables that look like ours and are not: most often a slip of the pen, which would change nothing without a word. */
import { type Variable, variables } from './variables.js';

export interface UnknownName {
  variable: string;
  problem: string;
  fix: string;
}

const PREFIX = /^(?:FORGEWAY|PREVIEW|WORKER|HANDLER|RETENTION)_/;
/** What Kubernetes and Docker tell a container about services, of which one may be called `forgeway`. */
const SERVICE_NAME = /_SERVICE_(?:HOST|PORT)(?:_|$)|_PORT_\d+_(?:TCP|UDP)(?:_|$)/;
const SERVICE_ADDRESS = /^(?:tcp|udp):\/\//;

/** Of every variable that Forgeway reads, its aliases too. */
export const knownNames: readonly string[] = Object.values<Variable>(variables).flatMap(({ name, aliases = [] }) => [
  name,
  ...aliases,
]);

/** Fewest insertions, deletions and replacements of one character between two texts. */
function distance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, index) => index);
  for (const [i, letter] of [...a].entries()) {
    const next = [i + 1];
    for (const [j, other] of [...b].entries()) {
      const replaced = (row[j] ?? 0) + (letter === other ? 0 : 1);
      next.push(Math.min(replaced, (row[j + 1] ?? 0) + 1, (next[j] ?? 0) + 1));
    }
    row = next;
  }
  return row[b.length] ?? 0;
}

/** The name of a variable that exists and is most like this one. */
function nearestName(name: string): string {
  const byDistance = knownNames.map((known) => ({ known, far: distance(name, known) }));
  return byDistance.reduce((best, one) => (one.far < best.far ? one : best)).known;
}

/** Set variables with one of our prefixes that nothing reads, each with the name that was probably meant. */
export function unknownNames(environment: Readonly<Record<string, string | undefined>> = process.env): UnknownName[] {
  return Object.entries(environment)
    .filter(([name, value]) => PREFIX.test(name) && !knownNames.includes(name) && value !== undefined && value !== '')
    .filter(([name, value = '']) => !SERVICE_NAME.test(name) && !SERVICE_ADDRESS.test(value))
    .map(([variable]) => ({
      variable,
      problem: 'is no variable of Forgeway and changes nothing',
      fix: `Did you mean ${nearestName(variable)}?`,
    }));
}
