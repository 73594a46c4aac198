/** Secrets are recognised by value where this process knows them, and by shape, wherever in a text they stand. */
import { hideKnownSecrets } from './known-secrets.js';

const SHAPES: readonly RegExp[] = [
  /\b(?:gh[pousr]_[A-Za-z0-9]{16,255}|github_pat_[A-Za-z0-9_]{20,255}|glpat-[A-Za-z0-9_-]{16,64}|fgw_[A-Za-z0-9]{40,64})/g,
  /\bAKIA[0-9A-Z]{16}\b/g,
  /(?<=aws_secret_access_key["'\s]{0,3}[=:]["'\s]{0,3})[A-Za-z0-9/+]{40}/gi,
  /\beyJ[A-Za-z0-9_-]{8,2048}\.[A-Za-z0-9_-]{8,4096}\.[A-Za-z0-9_-]{8,}/g,
  /-----BEGIN [A-Z ]*PRIVATE KEY-----(?:[\s\S]*?-----END [A-Z ]*PRIVATE KEY-----|[\s\S]*$)/g,
];
const URL_CREDENTIALS = /([a-z][a-z0-9+.-]{0,30}:\/\/)[^/\s:@"'\\]*:[^/\s@"'\\]+@/gi;
const HEADER =
  /((?:authorization|private-token|x-gitlab-token|cookie|set-cookie)["']?\s*[:=]\s*["']?)(?:(?:bearer|token|basic)\s+)?[^"'\s,;}]+/gi;
const FIELD =
  /((?:password|secret|token|private_?key|api_?key|access_?token|refresh_?token|client_?secret)\\?["']?\s*[:=]\s*\\?["'])[^"'\\]{4,}/gi;
const QUERY = /([?&](?:access_token|token|secret|private_token|code|signature|password)=)[^&\s"'\\]+/gi;

const MASK = '[redacted]';
/** Nothing of {@link SHAPES} is without one of these; most texts are, and are passed over by one look. */
const MAYBE_TOKEN = /gh[pousr]_|github_pat_|glpat-|fgw_|AKIA|aws_secret|AWS_SECRET|eyJ|-----BEGIN/;

/**
 * What somebody wrote on a forge, without the tokens and keys that they left in it by mistake: their forge shows them, our
 * copies need not. Words such as `password: x` stay, which people write about.
 */
export function hideTokens(text: string): string {
  let result = text;
  if (MAYBE_TOKEN.test(text)) for (const shape of SHAPES) result = result.replace(shape, MASK);
  return result.includes('://') ? result.replace(URL_CREDENTIALS, `$1${MASK}@`) : result;
}

/** For `JSON.stringify`: the same of every text in a value. */
export const tokensHidden = (_key: string, value: unknown): unknown =>
  typeof value === 'string' ? hideTokens(value) : value;

/** Longest text that is searched; a longer one is cut, since redaction must not become a way to stop the process. */
export const LONGEST_REDACTED = 64 * 1024;

/**
 * `text` with everything replaced that is a secret of ours or looks like a credential, and cut where it is long. Linear in
 * its length; never throws.
 */
export function redactText(text: string): string {
  return text.length > LONGEST_REDACTED ? `${redactAll(text.slice(0, LONGEST_REDACTED))}… [cut]` : redactAll(text);
}

/** The same of the whole text, for whoever has limited it. */
export function redactAll(text: string): string {
  const known = hideKnownSecrets(text);
  if (known.length <= LONGEST_REDACTED) return hideShapes(known);
  // In parts, since no pattern may be given more than it can search in a moment.
  let result = '';
  for (let at = 0; at < known.length; ) {
    const end = at + LONGEST_REDACTED;
    const line = end < known.length ? known.lastIndexOf('\n', end) + 1 : known.length;
    const next = line > at ? line : end;
    result += hideShapes(known.slice(at, next));
    at = next;
  }
  return result;
}

function hideShapes(text: string): string {
  const result = hideTokens(text).replace(HEADER, `$1${MASK}`).replace(FIELD, `$1${MASK}`);
  return result.includes('=') ? result.replace(QUERY, `$1${MASK}`) : result;
}
