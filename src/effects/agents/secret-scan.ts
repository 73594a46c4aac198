/**
 * Looks for secrets in what an agent changed, before any of it leaves this machine: those that this process knows, in every
 * form in which they are recognised elsewhere, and whatever has the shape of somebody's token. It says where and which kind.
 */
import { createSecretTable } from '../../lib/secret-table.js';

interface Shape {
  kind: string;
  /** Linear: no part of it can be matched in two ways. */
  pattern: RegExp;
}

/** Prefixes that issuers chose to be found, and forms that are nothing else. */
const SHAPES: readonly Shape[] = [
  { kind: 'GitHub token', pattern: /gh[pousr]_[A-Za-z0-9]{20,}|github_pat_[A-Za-z0-9_]{22,}/ },
  {
    kind: 'GitLab token',
    pattern: /gl(?:pat|dt|rt|cbt|ptt|ft|soat|agent|imt|oas)-[A-Za-z0-9_-]{20,}|GR1348941[A-Za-z0-9_-]{20}/,
  },
  { kind: 'Forgeway token', pattern: /\bfgw_[A-Za-z0-9]{40,}/ },
  { kind: 'AWS access key', pattern: /\b(?:AKIA|ASIA|ABIA|ACCA)[0-9A-Z]{16}\b/ },
  {
    kind: 'AWS secret key',
    pattern: /aws_?secret_?(?:access_?)?key["'\s]{0,3}[=:]{1,2}>?["'\s]{0,3}[A-Za-z0-9/+]{40}/i,
  },
  { kind: 'private key', pattern: /-----BEGIN (?:[A-Z0-9]+ ){0,3}PRIVATE KEY(?: BLOCK)?-----|PuTTY-User-Key-File-\d/ },
  { kind: 'JSON web token', pattern: /\beyJ[A-Za-z0-9_-]{8,}\.eyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{16,}/ },
  { kind: 'Anthropic key', pattern: /\bsk-ant-[A-Za-z0-9_-]{20,}/ },
  { kind: 'OpenAI key', pattern: /\bsk-(?:proj|svcacct|admin)-[A-Za-z0-9_-]{20,}|\bsk-[A-Za-z0-9]{32,}/ },
  { kind: 'OpenRouter key', pattern: /\bsk-or-v1-[0-9a-f]{40,}/ },
  { kind: 'Google key', pattern: /\bAIza[0-9A-Za-z_-]{35}|\bya29\.[0-9A-Za-z_-]{20,}|GOCSPX-[A-Za-z0-9_-]{20,}/ },
  { kind: 'Slack token', pattern: /\bxox[abeoprs]-[A-Za-z0-9-]{10,}|\bxapp-\d-[A-Za-z0-9-]{10,}/ },
  { kind: 'Slack webhook', pattern: /hooks\.slack\.com\/(?:services|workflows)\/[A-Za-z0-9/]{20,}/ },
  { kind: 'Discord webhook', pattern: /discord(?:app)?\.com\/api\/webhooks\/\d{10,}\/[A-Za-z0-9_-]{30,}/ },
  { kind: 'Stripe key', pattern: /\b[rs]k_(?:live|test)_[A-Za-z0-9]{16,}|\bwhsec_[A-Za-z0-9+/]{24,}/ },
  { kind: 'npm token', pattern: /\bnpm_[A-Za-z0-9]{36}|_authToken\s{0,3}=\s{0,3}[A-Za-z0-9+/=_-]{16,}/ },
  { kind: 'PyPI token', pattern: /\bpypi-[A-Za-z0-9_-]{50,}/ },
  { kind: 'RubyGems key', pattern: /\brubygems_[0-9a-f]{48}/ },
  { kind: 'Docker token', pattern: /\bdckr_(?:pat|oat)_[A-Za-z0-9_-]{20,}/ },
  { kind: 'Hugging Face token', pattern: /\bhf_[A-Za-z0-9]{30,}/ },
  { kind: 'SendGrid key', pattern: /\bSG\.[A-Za-z0-9_-]{16,}\.[A-Za-z0-9_-]{30,}/ },
  { kind: 'Twilio key', pattern: /\bSK[0-9a-f]{32}\b/ },
  { kind: 'Telegram token', pattern: /\b\d{8,10}:AA[A-Za-z0-9_-]{33}\b/ },
  { kind: 'DigitalOcean token', pattern: /\bdo[opr]_v1_[0-9a-f]{64}/ },
  { kind: 'Vault token', pattern: /\bhv[sbr]\.[A-Za-z0-9_-]{24,}/ },
  { kind: 'Terraform token', pattern: /\b[A-Za-z0-9]{14}\.atlasv1\.[A-Za-z0-9_=-]{60,}/ },
  { kind: 'Shopify token', pattern: /\bshp(?:at|ca|pa|ss)_[0-9a-fA-F]{32}/ },
  { kind: 'Linear key', pattern: /\blin_(?:api|oauth)_[A-Za-z0-9]{32,}/ },
  { kind: 'Atlassian token', pattern: /\bATATT3[A-Za-z0-9_=-]{60,}|\bATBB[A-Za-z0-9]{32}/ },
  { kind: 'age key', pattern: /\bAGE-SECRET-KEY-1[0-9A-Z]{50,}/ },
  { kind: 'Azure key', pattern: /AccountKey=[A-Za-z0-9+/]{60,}={0,2}/ },
  {
    kind: 'login in an address',
    pattern: /[a-z][a-z0-9+.-]{1,20}:\/\/[^/\s:@"'\\<>{}$]{0,100}:[^/\s@"'\\<>{}$]{6,200}@[a-z0-9.-]{3,}/i,
  },
  {
    kind: 'login in a header',
    pattern: /authorization["']?\s{0,3}[:=]\s{0,3}["']?(?:basic|bearer|token)\s{1,3}[A-Za-z0-9+/=._~-]{20,}/i,
  },
  { kind: 'Gitea token', pattern: /(?:gitea|forgejo)[a-z0-9_]{0,20}token["']?\s{0,3}[:=]\s{0,3}["']?[0-9a-f]{40}\b/i },
];

/** Values that documentation is full of. */
const EXAMPLES = /^(?:AKIAIOSFODNN7EXAMPLE|.*(?:EXAMPLE|example|xxxxxxxx|XXXXXXXX|00000000).*)$/;
const LONGEST_LINE = 16 * 1024;
const OVERLAP = 512;
const MOST_FOUND = 20;

/** Base64 of some length, which may hide any of them. */
const ENCODED = /[A-Za-z0-9+/_-]{24,}={0,2}/g;
const HEX = /\b(?:[0-9a-f]{2}){16,}\b/gi;
const PERCENT = /%[0-9a-f]{2}/i;

export interface SecretFinding {
  kind: string;
  /** Counted from 1. */
  line: number;
}

/** Other ways to write down what is in a piece of text: encoded, escaped. Only what reads as text is of use. */
function decodings(piece: string): string[] {
  const found: string[] = [];
  const add = (bytes: Buffer) => {
    const text = bytes.toString('latin1');
    if (/^[\t\n\r\x20-\x7e]{12,}/.test(text)) found.push(text);
  };
  for (const [word] of piece.matchAll(ENCODED)) {
    // What stands before it may not be a whole group of four.
    for (const shift of [0, 1, 2, 3]) add(Buffer.from(word.slice(shift), 'base64'));
  }
  for (const [word] of piece.matchAll(HEX)) add(Buffer.from(word, 'hex'));
  if (PERCENT.test(piece))
    found.push(
      piece.replace(/%([0-9a-f]{2})/gi, (_all, code: string) => String.fromCharCode(Number.parseInt(code, 16))),
    );
  const plain = piece
    .replace(/\\+u00([0-9a-f]{2})/gi, (_all, code: string) => String.fromCharCode(Number.parseInt(code, 16)))
    .replace(/\\+x([0-9a-f]{2})/gi, (_all, code: string) => String.fromCharCode(Number.parseInt(code, 16)))
    .replace(/&#(\d{2,3});/g, (_all, code: string) => String.fromCharCode(Number(code)));
  if (plain !== piece) found.push(plain);
  // Joined in code: 'ghp_' + 'abc'.
  const joined = piece.replace(/(['"`])\s{0,8}[+.,]?\s{0,8}\1/g, '').replace(/[\u200b-\u200d\u2060\ufeff\u00ad]/g, '');
  if (joined !== piece) found.push(joined);
  return found;
}

const EVERYWHERE = SHAPES.map(({ kind, pattern }) => ({ kind, pattern: new RegExp(pattern, `${pattern.flags}g`) }));

/** Of the first that is none of documentation's: one of those does not hide what stands behind it. */
function kindIn(piece: string): string | undefined {
  for (const { kind, pattern } of EVERYWHERE)
    for (const [match] of piece.matchAll(pattern)) if (!EXAMPLES.test(match)) return kind;
  return undefined;
}

/** A line in pieces that the patterns can be given, with an overlap. */
function* pieces(line: string): Generator<string> {
  if (line.length <= LONGEST_LINE) return yield line;
  for (let at = 0; at < line.length; at += LONGEST_LINE - OVERLAP) yield line.slice(at, at + LONGEST_LINE);
}

/**
 * Secrets in a text, at most the first twenty.
 * @param text also of a file of two or four bytes a character, read as if it had one
 * @param known tells whether a text has a secret that is known by value; a whole text is given, since one may be folded
 */
export function findSecrets(text: string, known: (text: string) => boolean): SecretFinding[] {
  const found = secretsIn(text, known);
  return found.length > 0 || !text.includes('\0') ? found : secretsIn(text.replaceAll('\0', ''), known);
}

function secretsIn(text: string, known: (text: string) => boolean): SecretFinding[] {
  const lines = text.split('\n');
  const found: SecretFinding[] = [];
  for (const [index, line] of lines.entries()) {
    if (found.length >= MOST_FOUND) return found;
    for (const piece of pieces(line)) {
      const written = [piece, ...decodings(piece)];
      const kind =
        written.map(kindIn).find((one) => one !== undefined) ?? (written.some(known) ? 'known secret' : undefined);
      if (kind === undefined) continue;
      found.push({ kind, line: index + 1 });
      break;
    }
  }
  if (found.length > 0) return found;
  if (known(text)) return [{ kind: 'known secret', line: 1 }];
  // A token that was broken over lines, with or without quotes and operators around its parts; or text in base64, in which they are signs.
  const joined = text.replace(/["'`]?\s{0,4}[+\\,.]?\s{0,4}\n\s{0,16}[+.]?\s{0,4}["'`]?/g, '');
  const folded = text.replace(/\s{0,4}\n\s{0,16}/g, '');
  for (const whole of new Set([joined, folded]))
    for (const piece of pieces(whole)) {
      const kind = [piece, ...decodings(piece)].map(kindIn).find((one) => one !== undefined);
      if (kind !== undefined) return [{ kind, line: 1 }];
    }
  return [];
}

/** Whether a text has one of `secrets`, in any form. */
export function knowing(secrets: readonly string[]): (text: string) => boolean {
  const table = createSecretTable();
  for (const secret of secrets) table.add(secret);
  return (text) => table.hide(text) !== text;
}
