/** What the doctor says of one thing. */
import { errorTable, ForgewayError, messageOf } from '../lib/errors.js';
import { redactText } from '../lib/redact.js';

export interface Finding {
  state: 'ok' | 'warning' | 'problem';
  about: string;
  finding: string;
  /** What to do; absent when all is well. */
  fix?: string;
}

export const ok = (about: string, finding: string): Finding => ({ state: 'ok', about, finding });
export const warning = (about: string, finding: string, fix: string): Finding => ({
  state: 'warning',
  about,
  finding,
  fix,
});
export const problem = (about: string, error: unknown): Finding => ({
  state: 'problem',
  about,
  finding: redactText(messageOf(error)),
  fix: error instanceof ForgewayError ? errorTable[error.code].fix : 'Read the message; the log has the whole of it.',
});
