/** Documents that callers send, read into what is to be done. Attributes that are not known are passed over, as in the API this follows. */
import { z } from 'zod';
import { type ConnectionRoute, readOwnersRoute } from '../../accounts/connection-route.js';
import type { ForgeDescriptor } from '../../forges/forge.js';
import { ForgewayError } from '../../lib/errors.js';
import { InvalidRequest, type Issue, parseInput } from '../problem.js';
import { internalId, TYPE } from './document.js';

const ATTRIBUTES = ['data', 'attributes'] as const;
export const wrong = (attribute: string, message: string): Issue => ({ path: [...ATTRIBUTES, attribute], message });

const PEM = /^-----BEGIN [A-Z ]*PRIVATE KEY-----[\s\S]+-----END [A-Z ]*PRIVATE KEY-----$/;

const number = z
  .union([z.number(), z.string().regex(/^\d{1,18}$/)])
  .refine((value) => Number(value) > 0 && Number.isSafeInteger(Number(value)), 'must be a positive whole number')
  .transform(String);
/** A form that is left empty is the same as one that is left out. */
const optional = <T extends z.ZodType>(schema: T) =>
  z.preprocess((value) => (value === '' ? null : value), schema.nullish());

const attributesSchema = z.object({
  name: z.string().trim().min(1, 'must not be empty').max(100),
  provider: z.string().max(30),
  'server-url': optional(z.url({ protocol: /^https?$/, error: 'must be a whole web address' }).max(500)),
  'ca-certificate': optional(z.string().max(300_000)),
  proxy: optional(z.string().max(1_000)),
  token: optional(z.string().regex(/^[\x21-\x7e]{8,4096}$/, 'must be one word of letters, digits and signs')),
  'github-app-id': optional(number),
  'github-installation-id': optional(number),
  'github-account-login': optional(z.string().trim().max(300)),
  'github-account-type': optional(z.enum(['Organization', 'User'])),
  'private-key': optional(
    z
      .string()
      .max(20_000)
      .transform((value) => value.replaceAll('\\n', '\n').trim())
      .refine((value) => PEM.test(value), 'must be a private key in PEM form'),
  ),
});
export type Attributes = z.output<typeof attributesSchema>;

const documentOf = <T extends z.ZodType>(attributes: T) =>
  z.object({ data: z.object({ type: z.string(), id: z.string().optional(), attributes }) });

const createSchema = documentOf(attributesSchema);
const updateSchema = documentOf(attributesSchema.partial());

function checkType(type: string): void {
  if (type !== TYPE) throw new ForgewayError('FORGEWAY_CONFLICT', `The type of the resource must be ${TYPE}.`);
}

/** Not said, or said to be nothing. */
const isSet = (value: unknown): boolean => value !== undefined && value !== null;

const OF_APP = ['github-app-id', 'github-installation-id', 'private-key'] as const;

/**
 * How the host is to be reached; undefined: nothing was said. Null, and the word that nothing is, take away what is there.
 * @throws InvalidRequest
 */
export function routeOfAttributes(given: Partial<Attributes>): ConnectionRoute | undefined {
  const issues: Issue[] = [];
  const read = (part: Parameters<typeof readOwnersRoute>[0], attribute: string) => {
    try {
      return readOwnersRoute(part);
    } catch (error) {
      if (!(error instanceof ForgewayError)) throw error;
      issues.push(wrong(attribute, error.message));
      return undefined;
    }
  };
  const ca = read({ caCertificate: given['ca-certificate'] }, 'ca-certificate');
  const proxy = read({ proxy: given.proxy }, 'proxy');
  if (issues.length > 0) throw new InvalidRequest(issues);
  return ca === undefined && proxy === undefined ? undefined : { ...ca, ...proxy };
}

/** What kind of connection a forge has: by an App where it cannot be administered by a token. */
export const isByApp = (forge: ForgeDescriptor): boolean => forge.administration === undefined;

export interface WantedConnection {
  forge: ForgeDescriptor;
  attributes: Attributes;
  /** Base URL of the instance. */
  url: string;
}

/** @throws ForgewayError FORGEWAY_REQUEST_INVALID with everything that is wrong, FORGEWAY_CONFLICT for another type */
export function readCreate(body: unknown, forges: ReadonlyMap<string, ForgeDescriptor>): WantedConnection {
  const { data } = parseInput(createSchema, body);
  checkType(data.type);
  if (data.id !== undefined)
    throw new ForgewayError('FORGEWAY_FORBIDDEN', 'Ids of connections are given by this server.');
  const { attributes } = data;
  const forge = forges.get(attributes.provider);
  if (forge === undefined)
    throw new InvalidRequest([wrong('provider', `must be one of ${[...forges.keys()].join(', ')}`)]);
  const issues: Issue[] = [];
  const byApp = isByApp(forge);
  for (const name of byApp ? OF_APP : (['token'] as const))
    if (!isSet(attributes[name])) issues.push(wrong(name, `is needed for ${forge.label}`));
  for (const name of byApp ? (['token'] as const) : OF_APP)
    if (isSet(attributes[name])) issues.push(wrong(name, `is not how ${forge.label} is connected`));
  const url = attributes['server-url'] ?? (forge.cloudByDefault ? forge.cloudUrl : undefined);
  if (url === undefined) issues.push(wrong('server-url', `is needed: the address of the instance`));
  else if (attributes['server-url']) issues.push(...urlIssues(forge, url));
  if (issues.length > 0 || url === undefined) throw new InvalidRequest(issues);
  return { forge, attributes, url };
}

function urlIssues(forge: ForgeDescriptor, url: string): Issue[] {
  const { username, password, search, hash } = new URL(url);
  if (username !== '' || password !== '') return [wrong('server-url', 'must not hold a user name or a password')];
  if (search !== '' || hash !== '') return [wrong('server-url', 'must end with the path')];
  try {
    forge.endpoint(url);
    return [];
  } catch {
    return [wrong('server-url', `is no address of ${forge.label}`)];
  }
}

/** @throws ForgewayError as {@link readCreate} */
export function readUpdate(body: unknown, connectionId: string): Partial<Attributes> {
  const { data } = parseInput(updateSchema, body);
  checkType(data.type);
  if (data.id !== undefined && internalId(data.id) !== connectionId)
    throw new ForgewayError('FORGEWAY_CONFLICT', 'The id in the document is not the one in the address.');
  return data.attributes;
}
