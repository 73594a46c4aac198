import { testFaults } from './fault-matrix.js';
import { playGitHub } from './github-player.js';

testFaults('github', playGitHub);
