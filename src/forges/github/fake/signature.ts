/** The App's own signature, a JSON web token, checked as GitHub checks it. */
import { verify } from 'node:crypto';
import { z } from 'zod';

/** Seconds that a token may be valid, and that its clock may be ahead of ours. */
const LONGEST = 600;
const AHEAD = 60;

const HEADER = z.object({ alg: z.literal('RS256') });
const CLAIMS = z.object({ iss: z.string().or(z.number()), iat: z.number(), exp: z.number() });

function json(part: string): unknown {
  try {
    return JSON.parse(Buffer.from(part, 'base64url').toString('utf8'));
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
}

/** Whether the token is the App's, by its public key, and neither too old nor too long. */
export function isSignedBy(
  token: string,
  { appId, publicKey, now }: { appId: number; publicKey: string; now: Date },
): boolean {
  const [header = '', claims = '', signature = '', ...rest] = token.split('.');
  if (rest.length > 0 || !HEADER.safeParse(json(header)).success) return false;
  const told = CLAIMS.safeParse(json(claims));
  if (!told.success) return false;
  const { iss, iat, exp } = told.data;
  const seconds = now.getTime() / 1000;
  if (String(iss) !== String(appId) || exp <= seconds || iat > seconds + AHEAD || exp - seconds > LONGEST + AHEAD)
    return false;
  return verify('RSA-SHA256', Buffer.from(`${header}.${claims}`), publicKey, Buffer.from(signature, 'base64url'));
}
