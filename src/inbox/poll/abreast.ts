/** Runs `each` for every item, at most `width` of them at a time, in their order. Rejects with what the first failure threw. */
export async function abreast<T>(items: readonly T[], width: number, each: (item: T) => Promise<void>): Promise<void> {
  const rest = items.values();
  const worker = async () => {
    for (const item of rest) await each(item);
  };
  await Promise.all(Array.from({ length: Math.min(width, items.length) }, worker));
}
