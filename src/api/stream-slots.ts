/** How many streams of events are open, and whose: nobody takes what others need. */

export interface StreamLimits {
  /** Of this server. */
  all: number;
  perOrganization: number;
  /** See `payerOf`. */
  perCaller: number;
}

/** Answers what gives the slot back, to be called once; undefined when there is none left for them. */
export function createStreamSlots(
  limits: StreamLimits,
): (organizationId: string, caller: string) => (() => void) | undefined {
  const open = new Map<string, number>();
  return (organizationId, caller) => {
    const counted: readonly [string, number][] = [
      ['all', limits.all],
      [`organization ${organizationId}`, limits.perOrganization],
      [`caller ${caller}`, limits.perCaller],
    ];
    if (counted.some(([key, most]) => (open.get(key) ?? 0) >= most)) return undefined;
    for (const [key] of counted) open.set(key, (open.get(key) ?? 0) + 1);
    return () => {
      for (const [key] of counted) {
        const left = (open.get(key) ?? 1) - 1;
        if (left === 0) open.delete(key);
        else open.set(key, left);
      }
    };
  };
}
