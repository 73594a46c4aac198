import { describeStory } from '../../../../test/support/forge-story.js';
import { gitlab } from '../forge.js';

describeStory(gitlab, {
  issue: 1_000_000_001,
  pullRequest: 1,
  // What a review says is a comment of its own here.
  reviewComments: [
    { author: 'bob', body: 'One question.' },
    { author: 'carol', body: 'Not yet.' },
    { author: 'bob', body: 'Good.' },
  ],
});
