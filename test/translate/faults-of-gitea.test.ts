import { playFake, testFaults } from './fault-matrix.js';

testFaults('gitea', playFake, { effects: 'without git' });
