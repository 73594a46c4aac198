import { describe, expect, it } from '@jest/globals';
import { createPathMatcher } from '../../src/webhook/paths.js';
import { fakeForges } from '../inbox/fake-forge.js';

const match = createPathMatcher(fakeForges);
const hookAt = (url: string) => match(url)?.hookId;

describe('the path of a webhook', () => {
  it('without a hook names the one from the environment, as do the aliases', () => {
    for (const url of [
      '/api/webhooks/fake',
      '/api/v2/vcs-events/fake',
      '/api/fake/webhooks',
      '/api/webhooks/fake?a=/b',
    ]) {
      expect(hookAt(url)).toBe('fake');
    }
  });

  it('names the hook', () => {
    expect(hookAt('/api/webhooks/fake/team-1')).toBe('team-1');
  });

  it('with a name that cannot be one is still answered like a hook that does not exist', () => {
    expect(hookAt(`/api/webhooks/fake/${'x'.repeat(200)}`)).toBe('');
    expect(hookAt('/api/webhooks/fake/%2e%2e')).toBe('');
  });

  it('of another forge or page is not ours', () => {
    for (const url of ['/api/webhooks/other', '/api/webhooks/fake/', '/api/webhooks/fake/a/b', '/api/webhooks', '/']) {
      expect(match(url)).toBeUndefined();
    }
  });
});
