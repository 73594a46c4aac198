/** Labels and annotations that say what an object is and whose. Labels are cut to what a label may hold; annotations are not. */
import {
  ANNOTATION,
  annotationValue,
  digest,
  LABEL,
  labelValue,
  MANAGER,
} from '../../../../effects/kubernetes/marks.js';
import { identityKey, type PreviewIdentity } from '../../name.js';

export {
  ANNOTATION,
  annotationValue,
  digest,
  LABEL,
  labelValue,
  MANAGER,
} from '../../../../effects/kubernetes/marks.js';

export type Part = 'service' | 'build' | 'database' | 'seed';

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
