import { describe, expect, it } from '@jest/globals';
import { redactText } from './redact.js';

const canary = 'c4n4ry0123456789abcdef0123456789abcdef01';

describe('redactText', () => {
  it.each([
    ['a GitHub token', `token ghs_${canary} refused`],
    ['a fine-grained token', `github_pat_${canary}`],
    ['a GitLab token', `glpat-${canary}`],
    ['a secret key of AWS', `aws_secret_access_key = ${canary}`],
    ['a JWT', `Bearer eyJhbGciOiJSUzI1NiJ9.eyJpc3MiOiI3In0${canary}.${canary}`],
    ['credentials in a URL', `fatal: unable to access 'http://x-access-token:${canary}@127.0.0.1/a.git'`],
    ['an authorization header', `{"authorization":"token ${canary}"}`],
    ['a cookie', `cookie: session=${canary}`],
    ['a field called password', `{"password":"${canary}"}`],
    ['an escaped field', `{"msg":"{\\"client_secret\\":\\"${canary}\\"}"}`],
    ['a query parameter', `GET /x?access_token=${canary}&page=2`],
    ['a private key', `-----BEGIN RSA PRIVATE KEY-----\n${canary}\n-----END RSA PRIVATE KEY-----`],
    ['a private key that was cut', `-----BEGIN PRIVATE KEY-----\n${canary}`],
  ])('hides %s', (_what, text) => {
    expect(redactText(text)).not.toContain(canary);
  });

  it('leaves ordinary text alone', () => {
    const text = 'pull request acme/web#12 at a1b2c3d synced in 12 ms, page=2 of https://example.com/acme/web';
    expect(redactText(text)).toBe(text);
  });

  it('cuts a text of 10 MB instead of searching it', () => {
    expect(redactText('x'.repeat(10_000_000)).length).toBeLessThan(70_000);
  });
});
