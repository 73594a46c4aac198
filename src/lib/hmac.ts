import { createHmac, randomBytes, timingSafeEqual } from 'node:crypto';

/** HMAC-SHA-256 as lower-case hex. */
export function hmacHex(secret: string | Buffer, body: string | Buffer): string {
  return createHmac('sha256', secret).update(body).digest('hex');
}

const comparisonKey = randomBytes(32);

/**
 * Equality in constant time whatever the lengths: both sides are hashed under a random key first,
 * so neither the length nor the position of the first difference shows in the time it takes.
 */
export function constantTimeEqual(left: string | Buffer, right: string | Buffer): boolean {
  const digest = (value: string | Buffer) => createHmac('sha256', comparisonKey).update(value).digest();
  return timingSafeEqual(digest(left), digest(right));
}
