/** What a facade is made of, kept in the data directory: its settings and its key, readable by nobody else. */
import { createPublicKey, generateKeyPairSync, randomBytes } from 'node:crypto';
import { appendFileSync, existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import { ForgewayError } from '../lib/errors.js';
import type { Revocations } from '../translate/facade/tokens.js';
import { isFresh, type LoopbackCertificate, makeLoopbackCertificate } from './loopback-certificate.js';

export interface FacadeSettings {
  /** Of the app. */
  name: string;
  /** Where the facade listens, on loopback. */
  port: number;
  /** Where the app waits for webhooks. */
  appUrl: string;
  secret: string;
  /** Serve the API with a certificate of our own: Probot 8 and older know a GitHub Enterprise by `https` only. */
  https: boolean;
  /** The one connection that the app gets to see, by our id. */
  connection?: string;
}

export interface Facade extends FacadeSettings {
  origin: string;
  /** PEM file that the app signs with. */
  privateKeyFile: string;
  /** File of the webhook secret. */
  secretFile: string;
  publicKey: string;
  /** What tokens are made with. */
  tokenKey: string;
  /** With `https`: the key and the certificate as PEM, and the file of what the app has to trust. */
  tls?: LoopbackCertificate & { certificateFile: string };
}

/** What the app calls itself; there is one App behind a facade. */
export const FACADE_APP_ID = '1';

const stored = z.object({
  port: z.number(),
  appUrl: z.string(),
  connection: z.string().optional(),
  https: z.boolean().default(false),
  tokenKey: z.string(),
});

function filesOf(dataDir: string, name: string) {
  const folder = join(dataDir, 'facades');
  const file = (ending: string) => join(folder, `${name}.${ending}`);
  return {
    folder,
    settingsFile: file('json'),
    privateKeyFile: file('pem'),
    secretFile: file('secret'),
    certificateFile: file('crt'),
    certificateKeyFile: file('crt.key'),
    revokedFile: file('revoked'),
  };
}

const LOOPBACK: ReadonlySet<string> = new Set(['127.0.0.1', 'localhost', '[::1]']);
const PRIVATE = { mode: 0o600 } as const;

/** True for addresses of this machine alone. */
export const isLoopback = (url: string): boolean =>
  URL.canParse(url) && new URL(url).protocol === 'http:' && LOOPBACK.has(new URL(url).hostname);

/** Makes what is not there, or will not be good for long. */
function keepCertificate(certificateFile: string, keyFile: string): void {
  const now = new Date();
  const there = existsSync(certificateFile) && existsSync(keyFile);
  if (there && isFresh(readFileSync(certificateFile, 'utf8'), now)) return;
  const { key, certificate } = makeLoopbackCertificate(now);
  writeFileSync(keyFile, key, PRIVATE);
  writeFileSync(certificateFile, certificate, PRIVATE);
}

/** Writes the settings; keys, and a secret that nobody gave, are made once and stay. */
export function saveFacade(dataDir: string, settings: Omit<FacadeSettings, 'secret'> & { secret?: string }): Facade {
  const { name, secret, ...rest } = settings;
  const { folder, settingsFile, privateKeyFile, secretFile, certificateFile, certificateKeyFile } = filesOf(
    dataDir,
    name,
  );
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  const before = existsSync(settingsFile) ? stored.parse(JSON.parse(readFileSync(settingsFile, 'utf8'))) : undefined;
  const random = () => randomBytes(32).toString('hex');
  writeFileSync(settingsFile, JSON.stringify({ ...rest, tokenKey: before?.tokenKey ?? random() }), PRIVATE);
  if (secret !== undefined || !existsSync(secretFile)) writeFileSync(secretFile, secret ?? random(), PRIVATE);
  if (!existsSync(privateKeyFile)) {
    const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
    writeFileSync(privateKeyFile, privateKey.export({ type: 'pkcs1', format: 'pem' }), PRIVATE);
  }
  if (settings.https) keepCertificate(certificateFile, certificateKeyFile);
  return openFacade(dataDir, name);
}

/** @throws ForgewayError FORGEWAY_APP_UNUSABLE when there is none of this name */
export function openFacade(dataDir: string, name: string): Facade {
  const { settingsFile, privateKeyFile, secretFile, certificateFile, certificateKeyFile } = filesOf(dataDir, name);
  if (![settingsFile, privateKeyFile, secretFile].every((file) => existsSync(file)))
    throw new ForgewayError('FORGEWAY_APP_UNUSABLE', `There is no facade ${name}; \`forgeway app facade\` makes one.`);
  const settings = stored.parse(JSON.parse(readFileSync(settingsFile, 'utf8')));
  const publicKey = createPublicKey(readFileSync(privateKeyFile, 'utf8')).export({ type: 'spki', format: 'pem' });
  return {
    name,
    ...settings,
    secret: readFileSync(secretFile, 'utf8'),
    origin: `${settings.https ? 'https' : 'http'}://127.0.0.1:${settings.port}`,
    privateKeyFile,
    secretFile,
    publicKey: String(publicKey),
    ...(settings.https && {
      tls: {
        key: readFileSync(certificateKeyFile, 'utf8'),
        certificate: readFileSync(certificateFile, 'utf8'),
        certificateFile,
      },
    }),
  };
}

/** A line that a crash left half-written is none: the app was not told that its token is gone. */
const REVOKED = /^(\d{1,16}) ([\w-]{43})$/;

/** The tokens of this facade that were given back, in a file; those that have ended by themselves are left out of it at each start. */
export function openRevocations(dataDir: string, name: string, now: Date): Revocations {
  const { revokedFile } = filesOf(dataDir, name);
  const lines = existsSync(revokedFile) ? readFileSync(revokedFile, 'utf8').split('\n') : [];
  const known = lines.flatMap((line): [string, number][] => {
    const [, until = '', digest = ''] = REVOKED.exec(line) ?? [];
    return Number(until) > now.getTime() ? [[digest, Number(until)]] : [];
  });
  const lineOf = (digest: string, until: number) => `${until} ${digest}\n`;
  writeFileSync(`${revokedFile}.new`, known.map(([digest, until]) => lineOf(digest, until)).join(''), PRIVATE);
  renameSync(`${revokedFile}.new`, revokedFile);
  return {
    all: () => known,
    add: (digest, until) => appendFileSync(revokedFile, lineOf(digest, until), PRIVATE),
  };
}
