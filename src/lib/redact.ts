/** Secrets are recognised by shape, wherever in a text they stand. */

const SHAPES: readonly RegExp[] = [
  /\b(?:gh[pousr]_[A-Za-z0-9]{16,255}|github_pat_[A-Za-z0-9_]{20,255}|glpat-[A-Za-z0-9_-]{16,64}|fgw_[A-Za-z0-9]{40,64})/g,
  /\bAKIA[0-9A-Z]{16}\b/g,
  /\beyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}/g,
  /-----BEGIN [A-Z ]*PRIVATE KEY-----(?:[\s\S]*?-----END [A-Z ]*PRIVATE KEY-----|[\s\S]*$)/g,
];
const URL_CREDENTIALS = /([a-z][a-z0-9+.-]*:\/\/)[^/\s:@"'\\]*:[^/\s@"'\\]+@/gi;
const HEADER =
  /((?:authorization|private-token|x-gitlab-token|cookie|set-cookie)["']?\s*[:=]\s*["']?)(?:(?:bearer|token|basic)\s+)?[^"'\s,;}]+/gi;
const FIELD =
  /((?:password|secret|token|private_?key|api_?key|access_?token|refresh_?token|client_?secret)\\?["']?\s*[:=]\s*\\?["'])[^"'\\]{4,}/gi;
const QUERY = /([?&](?:access_token|token|secret|private_token|code|signature|password)=)[^&\s"'\\]+/gi;

const MASK = '[redacted]';

/** Longest text that is searched; a longer one is cut, since redaction must not become a way to stop the process. */
const LIMIT = 64 * 1024;

/** `text` with everything that looks like a credential replaced. Linear in its length; never throws. */
export function redactText(text: string): string {
  let result = text.length > LIMIT ? `${text.slice(0, LIMIT)}… [cut]"}\n` : text;
  for (const shape of SHAPES) result = result.replace(shape, MASK);
  return result
    .replace(URL_CREDENTIALS, `$1${MASK}@`)
    .replace(HEADER, `$1${MASK}`)
    .replace(FIELD, `$1${MASK}`)
    .replace(QUERY, `$1${MASK}`);
}
