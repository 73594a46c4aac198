/** Labels and annotations that say what an object is and whose. Labels are cut to what a label may hold; annotations are not. */
import { createHash } from 'node:crypto';
import { identityKey, type PreviewIdentity } from '../../name.js';

const PREFIX = 'forgeway.dev';

export const LABEL = {
  managedBy: 'app.kubernetes.io/managed-by',
  /** The preview, by its name. */
  preview: `${PREFIX}/preview`,
  organization: `${PREFIX}/organization`,
  /** Which commit's: see `placeKey`. */
  place: `${PREFIX}/place`,
  part: `${PREFIX}/part`,
  service: `${PREFIX}/service`,
  public: `${PREFIX}/public`,
  trust: `${PREFIX}/trust`,
  forge: `${PREFIX}/forge`,
  owner: `${PREFIX}/repository-owner`,
  repository: `${PREFIX}/repository`,
  subject: `${PREFIX}/subject`,
} as const;
export const MANAGER = 'forgeway';

export const ANNOTATION = {
  /** (organization, forge, host, repository id, number or branch): checked before anything of it is written or deleted. */
  identity: `${PREFIX}/identity`,
  owner: `${PREFIX}/repository-owner`,
  repository: `${PREFIX}/repository`,
  host: `${PREFIX}/forge-host`,
  branch: `${PREFIX}/branch`,
  sha: `${PREFIX}/commit`,
  placeId: `${PREFIX}/place-id`,
} as const;

export type Part = 'service' | 'build' | 'database' | 'seed';

export const digest = (text: string, length: number): string =>
  createHash('sha256').update(text).digest('hex').slice(0, length);

const VALUE = /^[A-Za-z0-9](?:[-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?$/;

/** The text itself where a label may hold it; else what of it may be, and a hash that keeps two of them apart. */
export function labelValue(text: string): string {
  if (VALUE.test(text)) return text;
  const readable = text
    .replace(/[^-A-Za-z0-9_.]+/g, '-')
    .replace(/^[^A-Za-z0-9]+/, '')
    .slice(0, 50);
  return `${readable}${readable === '' ? '' : '.'}${digest(text, 12)}`;
}

/** What an annotation may hold: any text, but as one line and not without end. */
export const annotationValue = (text: string): string => text.toWellFormed().slice(0, 4_096);

/** Eight characters that stand for a place in names and labels. */
export const placeKey = (placeId: string): string => digest(placeId, 8);

/** On everything of one preview. */
export function previewLabels(name: string, identity: PreviewIdentity): Record<string, string> {
  return {
    [LABEL.managedBy]: MANAGER,
    [LABEL.preview]: name,
    [LABEL.organization]: labelValue(identity.organizationId),
  };
}

export function namespaceLabels(identity: PreviewIdentity): Record<string, string> {
  const { forge, owner, repository, subject } = identity;
  return {
    [LABEL.forge]: labelValue(forge),
    [LABEL.owner]: labelValue(owner),
    [LABEL.repository]: labelValue(repository),
    [LABEL.subject]: labelValue(subject.kind === 'branch' ? `branch-${subject.branch}` : `pr-${subject.number}`),
  };
}

export function identityAnnotations(identity: PreviewIdentity): Record<string, string> {
  const { owner, repository, host, subject } = identity;
  return {
    [ANNOTATION.identity]: identityKey(identity),
    [ANNOTATION.owner]: annotationValue(owner),
    [ANNOTATION.repository]: annotationValue(repository),
    [ANNOTATION.host]: annotationValue(host),
    ...(subject.kind === 'branch' ? { [ANNOTATION.branch]: annotationValue(subject.branch) } : {}),
  };
}

/** Whether an object found in a cluster belongs to this preview: what does not is neither changed nor deleted. */
export function belongsTo(
  found: { metadata?: { labels?: Record<string, string>; annotations?: Record<string, string> } },
  identity: PreviewIdentity,
): boolean {
  const { labels = {}, annotations = {} } = found.metadata ?? {};
  return labels[LABEL.managedBy] === MANAGER && annotations[ANNOTATION.identity] === identityKey(identity);
}
