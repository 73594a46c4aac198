import { describeStory } from '../../../../test/support/forge-story.js';
import { forgejo, gitea } from '../forge.js';

describeStory(gitea, { issue: 1, pullRequest: 2 });
describeStory(forgejo, { issue: 1, pullRequest: 2 });
