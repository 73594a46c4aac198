import { describe, expect, it } from '@jest/globals';
import { redactText } from '../lib/redact.js';
import { loadConfig } from './config.js';
import { keepSecretsOf } from './keep-secrets.js';

describe('secrets of the environment', () => {
  it.each([
    ['a setting of ours', { CRON_SECRET: 'a long enough cron secret' }, 'a long enough cron secret'],
    ['the same by its other name', { GIT_TOKEN_ENCRYPTION_KEY: 'c'.repeat(43) }, 'c'.repeat(43)],
    ['a password in an address', { DATABASE_URL: 'postgresql://me:pass%2Fword-1@h/db' }, 'pass/word-1'],
    ['the same as it stands there', { REDIS_URL: 'redis://:other%2Fword-1@h' }, 'other%2Fword-1'],
    ['a token of an app', { CHAT_API_TOKEN: 'opaque-0123456789' }, 'opaque-0123456789'],
    ['a key of an app', { AWS_SECRET_ACCESS_KEY: 'wJalrXUtnFEMI/K7MDENG' }, 'wJalrXUtnFEMI/K7MDENG'],
    ['an address of an app', { BROKER: 'amqp://u:amqp-password@h' }, 'amqp-password'],
  ])('are hidden: %s', (_what, environment, secret) => {
    expect(redactText(`before ${secret} after`)).toBe(`before ${secret} after`);
    keepSecretsOf(environment as Record<string, string>);
    expect(redactText(`before ${secret} after`)).toBe('before [redacted] after');
  });

  it.each([
    ['where a secret is', { TLS_KEY_PATH: '/etc/forgeway/tls.key' }, '/etc/forgeway/tls.key'],
    ['a number of seconds', { TOKEN_TTL_SECONDS: '1234567890123' }, '1234567890123'],
    ['an address without a password', { REDIS_URL: 'redis://cache.internal:6379' }, 'cache.internal'],
    ['what is no secret', { PREVIEW_DOMAIN: 'preview.example.net' }, 'preview.example.net'],
  ])('are not: %s', (_what, environment, text) => {
    keepSecretsOf(environment as Record<string, string>);
    expect(redactText(text)).toBe(text);
  });

  it('are kept before anything is refused', () => {
    const environment = { CRON_SECRET: 'another secret of the clock', PORT: 'high' };
    expect(() => loadConfig(environment)).toThrow();
    expect(redactText('another secret of the clock')).toBe('[redacted]');
  });
});
