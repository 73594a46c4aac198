/**
 * Secrets that this process has had in its hands, by value: many have no shape by which they could be told from a commit's
 * SHA. Whoever reads, makes or is handed one says so here, and it is hidden wherever text leaves the process.
 */
import { createSecretTable, SHORTEST } from './secret-table.js';

/** Tokens that end within an hour come and go. */
const MOST = 5_000;
/** Of a key in PEM form each line is a part that nobody should see. */
const LINE = 32;
const SHORTEST_OF_OTHERS = 12;
const FEWEST_SIGNS = 8;

/** Of the installation itself: as many as its settings, and never forgotten. */
const pinned = new Set<string>();
/** The one seen last is last. */
const recent = new Set<string>();
const table = createSecretTable();

function partsOf(value: string): string[] {
  const lines = value.split('\n').filter((line) => line.length >= LINE && line !== value && !line.startsWith('-----'));
  return [value, ...lines].filter((part) => part.length >= SHORTEST);
}

/**
 * Whether a value that somebody gave us is hidden from everybody. What could as well be a word, a host's name or a piece of
 * JSON is not: a tenant must not choose what the others can read.
 */
function isSecretive(value: string): boolean {
  const { length } = value;
  if (value.startsWith('-----BEGIN ')) return true;
  const isToken = length >= SHORTEST_OF_OTHERS && /^[\w+/=%.:~@!?#$&*-]+$/.test(value);
  return isToken && /\d/.test(value) && /[A-Za-z]/.test(value) && new Set(value).size >= FEWEST_SIGNS;
}

/** A secret of the installation, from its settings: always hidden from now on, unless it is too short to be told apart. */
export function pinSecret(value: string | undefined): void {
  for (const part of value === undefined ? [] : partsOf(value)) {
    if (pinned.has(part)) continue;
    pinned.add(part);
    table.add(part);
  }
}

function forgetOldest(): void {
  const latest = [...recent].slice(Math.floor(MOST / 2));
  recent.clear();
  table.clear();
  for (const value of pinned) table.add(value);
  for (const value of latest) {
    recent.add(value);
    table.add(value);
  }
}

/** A secret of a tenant or of a forge: hidden from now on, while it is one of the last thousands and looks like one. */
export function keepSecret(value: string | undefined): void {
  if (value === undefined) return;
  // A password with its user name before it, as proxies are given one.
  const password = /^[^:\s]{1,100}:([^:\s]+)$/.exec(value)?.[1];
  for (const part of [...partsOf(value), ...(password === undefined ? [] : partsOf(password))]) {
    if (pinned.has(part)) continue;
    const isKnown = recent.delete(part);
    if (!isKnown && !isSecretive(part)) continue;
    if (recent.size >= MOST) forgetOldest();
    recent.add(part);
    if (!isKnown) table.add(part);
  }
}

/** `text` without any secret that is known. The time it takes grows with the length of the text and with nothing else. */
export const hideKnownSecrets = (text: string): string => table.hide(text);
