/** Names of previews: the first label of their host name, and later of their namespace (decision 19). */
import { createHash } from 'node:crypto';

export interface PreviewIdentity {
  organizationId: string;
  forge: string;
  host: string;
  /** The forge's numeric id: stays when a repository is renamed, differs when it is made again. */
  repositoryRemoteId: bigint;
  number: number;
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

export function isPreviewName(text: string): boolean {
  return LABEL.test(text);
}

/** `acme-web-gh-pr-12`, or undefined when that is no valid label. Two identities can share it. */
export function plainName(identity: PreviewIdentity): string | undefined {
  const { owner, repository, tag, number } = identity;
  const name = `${owner}-${repository}-${tag}-pr-${number}`;
  return name.length <= LIMIT && LABEL.test(name) ? name : undefined;
}

/** A readable beginning and a hash of the identity: valid and different for every identity. */
export function hashedName(identity: PreviewIdentity): string {
  const { organizationId, forge, host, repositoryRemoteId, number, owner, repository } = identity;
  const key = JSON.stringify([organizationId, forge, host, repositoryRemoteId.toString(), number]);
  const hash = createHash('sha256').update(key).digest('hex').slice(0, HASH_LENGTH);
  const readable = `${owner}-${repository}-pr-${number}`
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, '-')
    .replace(/^[^a-z]+/, '')
    .slice(0, LIMIT - HASH_LENGTH - 1)
    .replace(/-+$/, '');
  return `${readable === '' ? 'preview' : readable}-${hash}`;
}

/** Names to try, best first; the last one is nobody else's. */
export function nameCandidates(identity: PreviewIdentity): string[] {
  const plain = plainName(identity);
  return [...(plain === undefined ? [] : [plain]), hashedName(identity)];
}
