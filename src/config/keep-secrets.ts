/** Tells what hides secrets (`lib/known-secrets.ts`) those that came with the environment: ours, and those of apps. */
import { pinSecret } from '../lib/known-secrets.js';
import { type Variable, variables } from './variables.js';

type Environment = Readonly<Record<string, string | undefined>>;

/** Names under which programs are given secrets; apps read theirs from the same environment. */
const SECRET_NAME =
  /(?:TOKEN|SECRET|PASSWORD|PASSWD|PASSPHRASE|CREDENTIALS?|COOKIE|PRIVATE|API_?KEY|ACCESS_?KEY|_KEY)(?:_|S?$|\d)/i;
/** Where one is, or what it is called. */
const ABOUT_SECRET = /(?:_FILE|_PATH|_DIR|_ID|_NAME|_URL|_URI|_HOST|_TTL|_SECONDS)$/i;
/** Of which the value is several. */
const LIST = variables.encryptionKeysPrevious.name;
/** `true`, a number of days and a name of a mode are no secrets. */
const SHORTEST_UNKNOWN = 12;

/** The password in an address, as it stands there and as it is sent. */
function keepPassword(address: string): void {
  if (!URL.canParse(address)) return;
  const { password } = new URL(address);
  pinSecret(password);
  try {
    pinSecret(decodeURIComponent(password));
  } catch {
    // A percent sign that stands for itself: then it was kept as it is.
  }
}

export function keepSecretsOf(environment: Environment = process.env): void {
  const ours = Object.values<Variable>(variables).filter(({ secret }) => secret === true);
  for (const { name, aliases = [] } of ours)
    for (const text of [name, ...aliases].map((one) => environment[one])) {
      if (text === undefined) continue;
      // An address without a password, such as `redis://localhost`, is none.
      if (URL.canParse(text) && text.includes('://')) keepPassword(text);
      else for (const one of name === LIST ? text.split(/[\s,]+/) : [text]) pinSecret(one.trim());
    }
  for (const [name, value = ''] of Object.entries(environment)) {
    if (value.includes('://')) keepPassword(value);
    if (
      SECRET_NAME.test(name) &&
      !ABOUT_SECRET.test(name) &&
      value.length >= SHORTEST_UNKNOWN &&
      !value.startsWith('/')
    )
      pinSecret(value);
  }
}
