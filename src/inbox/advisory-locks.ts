/**
 * Keys of the advisory locks of the inbox. PostgreSQL has one room of them for all purposes, whether a session holds one or a
 * transaction, so they stand together: two that are the same would wait for each other.
 */
export const ADVISORY_LOCKS = {
  /** One assigner of many processes; held by its session. */
  assigner: 7_301_202_611,
  /** See ORDER_LOCK; held by a transaction. */
  order: 7_301_202_612,
  /** One cycle of the poller at a time; held by its session while forges are asked. */
  poller: 7_301_202_613,
  /** One cycle of the hook recovery at a time; held by its session while forges are asked. */
  recovery: 7_301_202_614,
} as const;
