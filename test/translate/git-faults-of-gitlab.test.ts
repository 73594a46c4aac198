import { playFake, testFaults } from './fault-matrix.js';

testFaults('gitlab', playFake, {
  effects: 'of git',
  // GitLab says it to whoever may not merge, whose token is well; GitHub says 403 of that.
  otherwise: { 'a merge: 401 of a revoked token': 'dead' },
});
