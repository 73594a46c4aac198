/** Secrets in the forms in which they get into files, all made up here; put together so that no scanner of ours minds. */
const letters = (count: number): string => 'aB3dE5gH7jK9mN1pQ2sT4vW6xY8z'.repeat(10).slice(0, count);
const digits = (count: number): string => '0123456789abcdef'.repeat(10).slice(3, 3 + count);
const upper = (count: number): string => 'QX7ZP3WM9KD2RT5V'.repeat(4).slice(0, count);
const base64 = (text: string): string => Buffer.from(text).toString('base64');
const hex = (text: string): string => Buffer.from(text).toString('hex');

/** As editors of Windows write a file, read byte by byte. */
const twoBytesEach = (text: string): string => Buffer.from(text, 'utf16le').toString('latin1');

const GITHUB = `ghp_${letters(36)}`;
const KNOWN = 'correct-h0rse-battery-staple-42';
const JWT = `${base64('{"alg":"HS256"}').replace(/=/g, '')}.${base64('{"sub":"1234567890"}').replace(/=/g, '')}.${letters(43)}`;
const PEM = `-----BEGIN ${'RSA '}PRIVATE KEY-----\nMIIE${letters(60)}\n-----END ${'RSA '}PRIVATE KEY-----`;

interface Planted {
  name: string;
  text: string;
  /** Known by its value. */
  known?: string;
}

const shapes: Record<string, string> = {
  ghp_: GITHUB,
  gho_: `gho_${letters(36)}`,
  ghs_: `ghs_${letters(36)}`,
  ghu_: `ghu_${letters(36)}`,
  github_pat_: `github_pat_${letters(22)}_${letters(59)}`,
  'glpat-': `glpat-${letters(20)}`,
  'glrt-': `glrt-${letters(20)}`,
  fgw_: `fgw_${letters(43)}`,
  AKIA: `AKIA${upper(16)}`,
  'AWS secret': `aws_secret_access_key = ${letters(40)}`,
  PEM,
  'PEM of OpenSSH': PEM.replaceAll('RSA ', 'OPENSSH '),
  'PEM without a kind': PEM.replaceAll('RSA ', ''),
  JWT,
  Anthropic: `sk-ant-api03-${letters(60)}`,
  OpenAI: `sk-proj-${letters(60)}`,
  'OpenAI, old': `sk-${letters(48)}`,
  Google: `AIza${letters(35)}`,
  Slack: `xoxb-${'1234567890'}-${letters(24)}`,
  'Slack webhook': `https://hooks.slack.com/services/T${upper(8)}/B${upper(8)}/${letters(24)}`,
  Discord: `https://discord.com/api/webhooks/123456789012345678/${letters(60)}`,
  Stripe: `sk_live_${letters(24)}`,
  npm: `npm_${letters(36)}`,
  '.npmrc': `//registry.npmjs.org/:_authToken=${letters(36)}`,
  PyPI: `pypi-${letters(90)}`,
  Docker: `dckr_pat_${letters(27)}`,
  'Hugging Face': `hf_${letters(34)}`,
  SendGrid: `SG.${letters(22)}.${letters(43)}`,
  Telegram: `123456789:AA${letters(33)}`,
  DigitalOcean: `dop_v1_${digits(64)}`,
  Vault: `hvs.${letters(30)}`,
  Terraform: `${letters(14)}.atlasv1.${letters(67)}`,
  Shopify: `shpat_${digits(32)}`,
  age: `AGE-SECRET-KEY-1${upper(58)}`,
  Azure: `DefaultEndpointsProtocol=https;AccountKey=${letters(86)}==`,
  'login in an address': 'postgres://shop:s3cr3t-pass@db.internal:5432/shop',
  'basic header': `Authorization: Basic ${base64('octocat:hunter2hunter2')}`,
  'bearer header': `"authorization": "Bearer ${letters(40)}"`,
  Gitea: `GITEA_TOKEN=${digits(40)}`,
};

const forms: Record<string, (secret: string) => string> = {
  base64,
  'base64 in an address': (secret) => encodeURIComponent(base64(`x:${secret}`)),
  'base64 with something before it': (secret) => base64(`user:${secret}`),
  hex,
  'percent-encoded': (secret) => [...secret].map((sign) => `%${hex(sign)}`).join(''),
  'JSON escapes': (secret) => `"${[...secret].map((sign) => `\\u00${hex(sign)}`).join('')}"`,
  'hex escapes': (secret) => `'${[...secret].map((sign) => `\\x${hex(sign)}`).join('')}'`,
  'HTML entities': (secret) => [...secret].map((sign) => `&#${sign.charCodeAt(0)};`).join(''),
  'joined in code': (secret) => `'${secret.slice(0, 9)}' + '${secret.slice(9)}'`,
  'folded over lines': (secret) => `"${secret.slice(0, 15)}" +\n  "${secret.slice(15)}"`,
  'zero-width between': (secret) => `${secret.slice(0, 10)}\u200b${secret.slice(10)}`,
  'at the end of a long line': (secret) => `${'x = 1; '.repeat(4_000)}${secret}`,
  'UTF-16': twoBytesEach,
  'UTF-16, the other way round': (secret) => `\0${twoBytesEach(`first\n${secret}\n`).slice(0, -1)}`,
};

const KNOWN_FORMS: Record<string, (secret: string) => string> = {
  raw: (secret) => `key: ${secret}`,
  base64,
  hex,
  'URL-encoded': (secret) => encodeURIComponent(`${secret}`).replaceAll('-', '%2D'),
  'folded over lines': (secret) => `${secret.slice(0, 14)}\n${secret.slice(14)}`,
  'UTF-16': twoBytesEach,
};

export const plantedSecrets: readonly Planted[] = [
  ...Object.entries(shapes).map(([name, text]) => ({ name, text })),
  ...Object.entries(forms).map(([name, form]) => ({ name: `GitHub, ${name}`, text: form(GITHUB) })),
  ...Object.entries(KNOWN_FORMS).map(([name, form]) => ({ name: `known, ${name}`, text: form(KNOWN), known: KNOWN })),
];
