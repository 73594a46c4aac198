import { generateKeyPairSync, randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import { ConfigError, githubOrigin, loadConfig } from './config.js';
import { unknownNames } from './unknown-names.js';
import { type Variable, variables } from './variables.js';

const pem = generateKeyPairSync('rsa', { modulusLength: 2048 })
  .privateKey.export({ type: 'pkcs1', format: 'pem' })
  .toString();
const app = { APP_ID: '7', PRIVATE_KEY: pem, WEBHOOK_SECRET: 'a-secret-of-some-length' };
const key = randomBytes(32);

function problemsOf(environment: Record<string, string>): Record<string, string> {
  try {
    loadConfig(environment);
  } catch (error) {
    if (error instanceof ConfigError) return Object.fromEntries(error.problems.map((p) => [p.variable, p.problem]));
    throw error;
  }
  return {};
}

describe('loadConfig', () => {
  it('starts in setup mode from an empty environment', () => {
    const config = loadConfig({});
    expect(config.appId).toBeUndefined();
    expect(config.port).toBe(3000);
    expect(config.previewDriver).toBe('off');
    expect(Object.isFrozen(config)).toBe(true);
  });

  it('reads Probot’s names', () => {
    const config = loadConfig({ ...app, GHE_HOST: 'ghe.example.com', PORT: '8080', LOG_LEVEL: 'debug' });
    expect(config).toMatchObject({ appId: 7, webhookSecret: app.WEBHOOK_SECRET, port: 8080, logLevel: 'debug' });
    expect(githubOrigin(config)).toEqual({
      api: 'https://ghe.example.com/api/v3',
      web: 'https://ghe.example.com',
      host: 'ghe.example.com',
    });
  });

  it('lists every problem at once, each with what to do', () => {
    expect(problemsOf({ PORT: 'http', LOG_LEVEL: 'loud', REDIS_URL: 'http://x', APP_ID: '7' })).toEqual({
      PORT: expect.any(String),
      LOG_LEVEL: expect.any(String),
      REDIS_URL: 'must start with redis://',
      PRIVATE_KEY: 'is missing, but APP_ID is set',
      WEBHOOK_SECRET: 'is missing, but APP_ID is set',
    });
    expect(() => loadConfig({ PORT: 'http' })).toThrow(variables.port.fix);
  });

  it.each([
    ['escaped newlines', pem.replaceAll('\n', '\\n')],
    ['base64', Buffer.from(pem).toString('base64')],
  ])('accepts a private key with %s', (_form, text) => {
    expect(loadConfig({ ...app, PRIVATE_KEY: text }).privateKey).toBe(`${pem.trim()}\n`);
  });

  it('reads a private key from a file and names a file that it cannot read', () => {
    const folder = mkdtempSync(join(tmpdir(), 'forgeway-config-'));
    const { PRIVATE_KEY: _, ...rest } = app;
    writeFileSync(join(folder, 'key.pem'), pem);
    expect(loadConfig({ ...rest, PRIVATE_KEY_PATH: join(folder, 'key.pem') }).privateKey).toContain('BEGIN');
    expect(Object.keys(problemsOf({ ...rest, PRIVATE_KEY_PATH: join(folder, 'none') }))).toContain('PRIVATE_KEY_PATH');
    rmSync(folder, { recursive: true });
  });

  it('takes images for runs on a cluster, which need one', () => {
    const cluster = { RUN_EXECUTOR: 'kubernetes' };
    expect(Object.keys(problemsOf(cluster))).toEqual(['RUN_IMAGE']);
    const RUN_IMAGE = `docker.io/hashicorp/terraform:1.11.4, registry.example.com:5000/tofu@sha256:${'a'.repeat(64)}`;
    expect(loadConfig({ ...cluster, RUN_IMAGE }).runImage).toHaveLength(2);
    for (const bad of ['-v', 'a b', 'image:tag;rm', '$(x)'])
      expect(Object.keys(problemsOf({ ...cluster, RUN_IMAGE: bad }))).toContain('RUN_IMAGE');
  });

  it('takes an address of a mirror that nothing else can be written into', () => {
    const of = (text: string) => loadConfig({ RUN_PROVIDER_MIRROR: text }).runProviderMirror;
    expect(of('https://mirror.example/providers')).toBe('https://mirror.example/providers/');
    for (const bad of [
      'http://mirror.example/',
      'https://a:b@mirror.example/',
      'https://mirror.example/"\n}',
      'mirror',
    ])
      expect(Object.keys(problemsOf({ RUN_PROVIDER_MIRROR: bad }))).toEqual(['RUN_PROVIDER_MIRROR']);
  });

  it('accepts a key as base64 or hex, under each of its names', () => {
    for (const name of ['FORGEWAY_ENCRYPTION_KEY', 'GIT_TOKEN_ENCRYPTION_KEY', 'TERRAPOD_ENCRYPTION__KEY']) {
      expect(loadConfig({ [name]: key.toString('hex') }).encryptionKey).toEqual(key);
      expect(loadConfig({ [name]: key.toString('base64') }).encryptionKey).toEqual(key);
    }
  });

  it.each([
    ['short', Buffer.alloc(16, 7).toString('hex')],
    ['all the same byte', Buffer.alloc(32, 7).toString('hex')],
    ['a passphrase', 'correct horse battery staple'],
  ])('refuses a key that is %s', (_why, text) => {
    expect(Object.keys(problemsOf({ FORGEWAY_ENCRYPTION_KEY: text }))).toEqual(['FORGEWAY_ENCRYPTION_KEY']);
  });

  it('takes earlier keys in a list, weak ones too, and names the one that is none', () => {
    const weak = Buffer.alloc(32, 7);
    const list = `${key.toString('hex')}, ${weak.toString('base64')}\n${key.toString('base64url')},`;
    expect(loadConfig({ FORGEWAY_ENCRYPTION_KEYS_PREVIOUS: list }).encryptionKeysPrevious).toEqual([key, weak, key]);
    const problems = problemsOf({ FORGEWAY_ENCRYPTION_KEYS_PREVIOUS: `${key.toString('hex')},secret` });
    expect(problems.FORGEWAY_ENCRYPTION_KEYS_PREVIOUS).toMatch(/number 2/);
    expect(problems.FORGEWAY_ENCRYPTION_KEYS_PREVIOUS).not.toContain('secret');
  });

  it('refuses an external database without a key, and Probot’s public default secret', () => {
    expect(problemsOf({ DATABASE_URL: 'postgresql://h/d' })).toHaveProperty('FORGEWAY_ENCRYPTION_KEY');
    expect(problemsOf({ ...app, WEBHOOK_SECRET: 'development' })).toHaveProperty('WEBHOOK_SECRET');
    expect(problemsOf({ ...app, WEBHOOK_SECRET: '' })).toHaveProperty('WEBHOOK_SECRET');
  });

  it('refuses previews on the server’s own domain', () => {
    const url = { PUBLIC_URL: 'https://forgeway.example.com' };
    expect(problemsOf({ ...url, PREVIEW_DOMAIN: 'example.com' })).toHaveProperty('PREVIEW_DOMAIN');
    expect(problemsOf({ PUBLIC_URL: 'https://example.com', PREVIEW_DOMAIN: 'preview.example.com' })).toHaveProperty(
      'PREVIEW_DOMAIN',
    );
    expect(problemsOf({ PUBLIC_URL: 'http://localhost:3000' })).toEqual({});
    expect(problemsOf({ ...url, PREVIEW_DOMAIN: 'preview.example.net' })).toEqual({});
  });

  it('never shows the value of a secret', () => {
    const thrown = () => loadConfig({ DATABASE_URL: 'postgrez://user:canary@host/db' });
    expect(thrown).toThrow('DATABASE_URL');
    expect(thrown).not.toThrow('canary');
  });

  it('shows what an address looks like, with the place of the password', () => {
    expect(() => loadConfig({ DATABASE_URL: 'mysql://h/d' })).toThrow('postgresql://user:password@host:5432/forgeway');
  });

  it.each(Object.values<Variable>(variables))('says in our own words why $name is refused', ({ name }) => {
    for (const text of ['1.5', '-1', '0', '1e99', 'a b', 'http://', 'x'.repeat(5_000)]) {
      const said = Object.values(problemsOf({ [name]: text })).join('\n');
      expect(said).not.toMatch(
        /invalid input|invalid option|invalid url|invalid string|expected|received|too (?:big|small)|nan/i,
      );
    }
  });

  it.each([
    [{ PORT: '1.5' }, 'must be a whole number'],
    [{ APP_ID: '0' }, 'must be above 0'],
    [{ LOG_FORMAT: 'xml' }, 'must be json or pretty'],
    [{ WORKER_PROCESSES: 'two' }, 'must be a number'],
    [{ PUBLIC_URL: 'example.com' }, 'is no address that begins with http:// or https://'],
    [{ FORGEWAY_DATA_DIR: 'data' }, 'must start with /'],
  ])('says of %j what is wrong', (environment, sentence) => {
    expect(Object.values(problemsOf(environment as Record<string, string>))).toContain(sentence);
  });
});

describe('unknownNames', () => {
  it('finds misspelt variables and names the one that was meant, without refusing them', () => {
    expect(unknownNames({ PREVIEW_MEMRY_MB: '1', FORGEWAY_DATADIR: '/x', WORKER_PROCESES: '2' })).toMatchObject([
      { variable: 'PREVIEW_MEMRY_MB', fix: 'Did you mean PREVIEW_MEMORY_MB?' },
      { variable: 'FORGEWAY_DATADIR', fix: 'Did you mean FORGEWAY_DATA_DIR?' },
      { variable: 'WORKER_PROCESES', fix: 'Did you mean WORKER_PROCESSES?' },
    ]);
    expect(problemsOf({ PREVIEW_MEMRY_MB: '1' })).toEqual({});
    expect(() => loadConfig({ PREVIEW_MEMRY_MB: '1', PORT: 'x' })).toThrow(
      /PORT +must.*\n +PREVIEW_MEMRY_MB +\(warning\)/,
    );
  });

  it('says nothing of variables that exist, of other programs’, and of what an orchestrator sets', () => {
    const own = Object.fromEntries(Object.values<Variable>(variables).map(({ name }) => [name, '1']));
    expect(unknownNames({ ...own, PATH: '/bin', PREVIEWS: '1', TERRAPOD_ENCRYPTION__KEY: 'x' })).toEqual([]);
    const service = {
      FORGEWAY_SERVICE_HOST: '10.0.0.1',
      FORGEWAY_SERVICE_PORT_HTTP: '80',
      FORGEWAY_PORT: 'tcp://10.0.0.1',
    };
    expect(unknownNames({ ...service, FORGEWAY_PORT_80_TCP_ADDR: '10.0.0.1', PREVIEW_LIMITS: '' })).toEqual([]);
  });
});
