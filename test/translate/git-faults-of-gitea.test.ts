import { playFake, testFaults } from './fault-matrix.js';

testFaults('gitea', playFake, {
  effects: 'of git',
  // Gitea says it of pull requests that cannot be merged, of which GitHub says 405; lost access is told by the read before.
  otherwise: { 'a merge: 404 of lost access': 'retry' },
});
