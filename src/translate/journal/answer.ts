/** Answers as the journal keeps them: enough for an app to go on with, and never a credential. */
import { redactText } from '../../lib/redact.js';
import type { StoredAnswer } from './statements.js';

const KEPT_HEADERS = ['content-type', 'location', 'link'];
/** A larger body is not kept: the effect is then looked for, or an idempotent write sent again. */
const MOST_KEPT_BYTES = 1024 * 1024;
/** Fields that hold a credential whatever it looks like. */
const SECRET =
  /^(token|secret|password|pem|private_key|access_token|refresh_token|client_secret|webhook_secret|encoded_jit_config)$/;
const MASK = '[redacted]';

/** The response can still be read. */
export async function storedAnswer(response: Response): Promise<StoredAnswer> {
  const headers: Record<string, string> = {};
  for (const name of KEPT_HEADERS) {
    const value = response.headers.get(name);
    if (value !== null) headers[name] = value;
  }
  const bytes = Buffer.from(await response.clone().arrayBuffer());
  return { status: response.status, headers, body: bytes.length > MOST_KEPT_BYTES ? undefined : withoutSecrets(bytes) };
}

/** The bytes as they are, unless something in them is, or looks like, a credential. */
function withoutSecrets(bytes: Buffer): Buffer | undefined {
  const text = bytes.toString('utf8');
  const seen = { secret: false };
  const clean = (key: string, value: unknown): unknown => {
    if (typeof value !== 'string') return value;
    const cleaned = SECRET.test(key) && value !== '' ? MASK : value.length < 8 ? value : redactText(value);
    if (cleaned !== value) seen.secret = true;
    return cleaned;
  };
  try {
    const masked = JSON.stringify(JSON.parse(text, clean));
    return seen.secret ? Buffer.from(masked) : bytes;
  } catch {
    // No JSON: the text itself.
    const masked = redactText(text);
    return masked === text ? bytes : Buffer.from(masked);
  }
}

/** Undefined when what was answered is not kept. */
export function responseOf(answer: StoredAnswer, url: string): Response | undefined {
  if (answer.body === undefined) return undefined;
  const empty = answer.body.length === 0 || answer.status === 204 || answer.status === 205;
  return withUrl(
    new Response(empty ? null : new Uint8Array(answer.body), { status: answer.status, headers: answer.headers }),
    url,
  );
}

/** Octokit reads the address of an answer, and one that was made by hand has none. */
export function withUrl(response: Response, url: string): Response {
  Object.defineProperty(response, 'url', { value: url });
  return response;
}
