/** Runs before every test file: nothing reaches the network, and git is started elsewhere. Mocks of forges, which also have to be called, are in nock.ts. */
import { afterAll, afterEach } from '@jest/globals';
import { useGitRunner } from './git-runner.js';
import { refuseOthers, takeRefused } from './local-only.js';

refuseOthers();
afterAll(useGitRunner(process.env.FORGEWAY_TEST_GIT_RUNNER ?? ''));

afterEach(() => {
  const hosts = takeRefused();
  if (hosts.length > 0) throw new Error(`connections that nobody answers:\n${hosts.join('\n')}`);
});
