import { describeStory } from '../../../../test/support/forge-story.js';
import { github } from '../forge.js';

describeStory(github, { issue: 1, pullRequest: 2 });
