/** Variables that look like ours and are not: most often a slip of the pen, which would change nothing without a word. */
import { nearest } from '../lib/nearest.js';
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

/** Set variables with one of our prefixes that nothing reads, each with the name that was probably meant. */
export function unknownNames(environment: Readonly<Record<string, string | undefined>> = process.env): UnknownName[] {
  return Object.entries(environment)
    .filter(([name, value]) => PREFIX.test(name) && !knownNames.includes(name) && value !== undefined && value !== '')
    .filter(([name, value = '']) => !SERVICE_NAME.test(name) && !SERVICE_ADDRESS.test(value))
    .map(([variable]) => ({
      variable,
      problem: 'is no variable of Forgeway and changes nothing',
      fix: `Did you mean ${nearest(variable, knownNames)}?`,
    }));
}
