import { describe, expect, it } from '@jest/globals';
import type { SignUpPolicy } from '../accounts/sign-in/policy.js';
import { setupPage } from './setup-page.js';

const shown = (policy: SignUpPolicy | undefined) =>
  setupPage({ first: false, clients: [], forges: [], callbackOf: () => '', callbackPattern: '', policy });

describe('the policy on the page', () => {
  it('that nobody has stated is told as that, with who is served, and none is chosen', () => {
    expect(shown(undefined)).toContain('the App of the environment serves whoever can install it');
    expect(shown(undefined)).not.toContain(' checked');
  });

  it.each(['closed', 'organization', 'open'] as const)('%s is chosen once it is stated', (policy) => {
    expect(shown(policy)).toMatch(new RegExp(`value="${policy}" required checked`));
    expect(shown(policy).match(/ checked/g)).toHaveLength(1);
    expect(shown(policy)).not.toContain('Not stated yet');
  });
});
