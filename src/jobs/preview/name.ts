/** Names of previews: the first label of their host name, and later of their namespace (decision 19). */
import { createHash } from 'node:crypto';

/** What it is a preview of. */
export type PreviewSubject = { kind: 'pull-request'; number: number } | { kind: 'branch'; branch: string };

export interface PreviewIdentity {
  organizationId: string;
  forge: string;
  host: string;
  /** The forge's numeric id: stays when a repository is renamed, differs when it is made again. */
  repositoryRemoteId: bigint;
  subject: PreviewSubject;
  /** For the readable part only. */
  owner: string;
  repository: string;
  /** Two letters for the forge. */
  tag: string;
}

/** A DNS label leaves room for 63; Kubernetes adds a suffix to the names of jobs and pods. */
const LIMIT = 52;
const LABEL = /^[a-z]([-a-z0-9]{0,61}[a-z0-9])?$/;
const HASH_LENGTH = 16;
/** Beginnings that clusters keep for themselves, and often leave out of their policies; the last is that of our jobs. */
const RESERVED = /^(?:kube|openshift|forgeway)-/;

export function isPreviewName(text: string): boolean {
  return LABEL.test(text);
}

const subjectText = (subject: PreviewSubject) =>
  subject.kind === 'branch' ? `branch-${subject.branch}` : `pr-${subject.number}`;

/** The one text that says whose it is, whatever it is called now. */
export function identityKey({ organizationId, forge, host, repositoryRemoteId, subject }: PreviewIdentity): string {
  const what = subject.kind === 'branch' ? ['branch', subject.branch] : [subject.number];
  return JSON.stringify([organizationId, forge, host, repositoryRemoteId.toString(), ...what]);
}

/**
 * `acme-web-gh-pr-12`, or undefined when that is no valid label. Two identities can share it. Two dashes in a row stand
 * between a service and its preview in the name of a host, so nothing else may have them.
 */
export function plainName({ owner, repository, tag, subject }: PreviewIdentity): string | undefined {
  const name = `${owner}-${repository}-${tag}-${subjectText(subject)}`;
  if (name.length > LIMIT || !LABEL.test(name) || name.includes('--') || RESERVED.test(name)) return undefined;
  return name;
}

/** A readable beginning and a hash of the identity: valid and different for every identity. */
export function hashedName(identity: PreviewIdentity): string {
  const { owner, repository, subject } = identity;
  const hash = createHash('sha256').update(identityKey(identity)).digest('hex').slice(0, HASH_LENGTH);
  const readable = `${owner}-${repository}-${subjectText(subject)}`
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, '-')
    .replace(/^[^a-z]+/, '')
    .replace(RESERVED, 'x-$&')
    .slice(0, LIMIT - HASH_LENGTH - 1)
    .replace(/-+$/, '');
  return `${readable === '' ? 'preview' : readable}-${hash}`;
}

/** Names to try, best first; the last one is nobody else's. */
export function nameCandidates(identity: PreviewIdentity): string[] {
  const plain = plainName(identity);
  return [...(plain === undefined ? [] : [plain]), hashedName(identity)];
}
