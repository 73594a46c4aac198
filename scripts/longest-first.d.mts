import TestSequencer from '@jest/test-sequencer';

/** Seconds that the slowest test files took, by their path in the repository. */
export declare const SLOW: Readonly<Record<string, number>>;
export default class LongestFirst extends TestSequencer {}
