import { playFake, testFaults } from './fault-matrix.js';

testFaults('gitlab', playFake, { effects: 'without git' });
