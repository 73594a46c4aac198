/**
 * How long tests wait for what is to come about, in milliseconds. Only a failure takes that long: what is tested is that it
 * comes about, however short the machine is of everything. Less than `testTimeout`, so that the reason is told.
 */
export const PATIENCE_MS = 120_000;
