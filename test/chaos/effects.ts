/** What an app's request to a forge did, named so that the same effect has the same name on every forge. Pure. */
import { createHash } from 'node:crypto';

/** One mutating request, as the forge's own process wrote it down after it had carried it out. */
export interface Effect {
  forge: string;
  /** Milliseconds since 1970, when the forge had done it. */
  at: number;
  method: string;
  /** Without the query. */
  path: string;
  status: number;
  /** What it is about, see {@link effectKey}. */
  key: string;
  /** First 12 hex digits of the body's SHA-256. */
  digest: string;
  /** False when the answer was thrown away on purpose. */
  answered: boolean;
}

export const digestOf = (body: string): string => createHash('sha256').update(body).digest('hex').slice(0, 12);

type Fields = Record<string, unknown>;

function fieldsOf(body: string): Fields {
  try {
    const parsed: unknown = JSON.parse(body);
    return typeof parsed === 'object' && parsed !== null ? (parsed as Fields) : {};
  } catch (error) {
    // A push of git, or a form: it is named by its digest.
    if (error instanceof SyntaxError) return {};
    throw error;
  }
}

const COMMENT = /\/(?:comments|notes)$/;
const STATUS = /\/statuses\/([0-9a-f]{40})$/;
const CHECK = /\/check-runs$/;
const TOKEN = /effect:([\w.@-]+)/;

/**
 * `effect:TOKEN` where the request names one, `status:CONTEXT:SHA`, `comment:PATH:DIGEST`, else the request itself.
 * A check run counts as a status of its name, since that is what it is on two of the three forges.
 */
export function effectKey(method: string, path: string, body: string): string {
  const fields = fieldsOf(body);
  const token = TOKEN.exec([fields.body, fields.name].filter((one) => typeof one === 'string').join('\n'))?.[0];
  if (token !== undefined) return token;
  const sha = STATUS.exec(path)?.[1];
  if (sha !== undefined) return `status:${String(fields.context ?? fields.name)}:${sha}`;
  if (CHECK.test(path)) return `status:${String(fields.name)}:${String(fields.head_sha)}`;
  if (method === 'POST' && COMMENT.test(path)) return `comment:${path}:${digestOf(String(fields.body))}`;
  return `${method} ${path} ${digestOf(body)}`;
}
