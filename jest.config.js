/** Real PostgreSQL for every test file that asks for it; see test/support/database.ts. */
export default {
  testEnvironment: 'node',
  extensionsToTreatAsEsm: ['.ts'],
  transform: {
    '^.+\\.ts$': [
      '@swc/jest',
      { jsc: { parser: { syntax: 'typescript' }, target: 'es2022' }, module: { type: 'es6' } },
    ],
  },
  moduleNameMapper: { '^(\\.{1,2}/.*)\\.js$': '$1' },
  testMatch: ['<rootDir>/src/**/*.test.ts', '<rootDir>/test/**/*.test.ts', '<rootDir>/demo/**/*.test.ts'],
  testPathIgnorePatterns: ['/node_modules/', '/dist/'],
  modulePathIgnorePatterns: ['<rootDir>/dist/'],
  // What is slow begins first, also in a fresh clone.
  testSequencer: '<rootDir>/scripts/longest-first.mjs',
  setupFilesAfterEnv: ['<rootDir>/test/support/setup.ts'],
  globalSetup: '<rootDir>/test/support/global-setup.ts',
  globalTeardown: '<rootDir>/test/support/global-teardown.ts',
  // Ends a test that hangs, and says nothing of how long one may take: on a machine that is short of everything that is minutes.
  testTimeout: 240_000,
  // One more than the cores of the smallest machine: a third of a test's time it waits for something.
  maxWorkers: 3,
  // Modules of finished files are not let go of, and a large process is slow to start others from.
  workerIdleMemoryLimit: '600MB',
};
