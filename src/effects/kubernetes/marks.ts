/** Labels and annotations that say what an object is and whose. Labels are cut to what a label may hold; annotations are not. */
import { createHash } from 'node:crypto';

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
  /** `run` or `agent`: a namespace that holds one job. */
  job: `${PREFIX}/job`,
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
  /** On a namespace: the approved commit of a stranger's that it is for, and for no other. */
  approved: `${PREFIX}/approved-commit`,
  placeId: `${PREFIX}/place-id`,
  /** What a database keeps its data as: another one begins anew. */
  database: `${PREFIX}/database`,
} as const;

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
