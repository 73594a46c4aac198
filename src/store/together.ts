/**
 * Waits for statements that were sent to one connection without waiting in between, which is one round trip. All of them
 * are over when it settles; what the first one that failed threw is thrown, since the others only echo it.
 */
export async function together<T extends readonly unknown[] | []>(
  sent: T,
): Promise<{ -readonly [K in keyof T]: Awaited<T[K]> }> {
  const settled = await Promise.allSettled<unknown>(sent);
  for (const one of settled) if (one.status === 'rejected') throw one.reason;
  return Promise.all(sent);
}
