/** The names of images: `ghcr.io/{owner}/{repo}:pr-{number}-{sha7}`, valid whatever owner and repository are called. */
import { shortSha } from '../../../../lib/ids.js';
import { identityKey, type PreviewIdentity } from '../../name.js';
import { digest } from './marks.js';
import type { ClusterSettings } from './settings.js';

const COMPONENT = /^[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*$/;
const COMPONENT_LIMIT = 60;

/** As it is in small letters where that is allowed; else what of it is, and a hash that keeps two of them apart. */
function component(text: string): string {
  const lower = text.toLowerCase();
  // GitHub's, GitLab's and Gitea's names do not differ by case alone, so lowering it makes no two names one.
  if (lower.length <= COMPONENT_LIMIT && COMPONENT.test(lower) && /^[\x21-\x7e]+$/.test(text)) return lower;
  const readable = lower
    .replace(/[^a-z0-9]+/g, '-')
    .replace(/^-+/, '')
    .slice(0, COMPONENT_LIMIT - 13)
    .replace(/-+$/, '');
  return `${readable}${readable === '' ? '' : '-'}${digest(text, 12)}`;
}

/** `pr-12-1a2b3c4`, or `branch-main-1a2b3c4`. */
function tag({ subject }: PreviewIdentity, sha: string): string {
  if (subject.kind === 'pull-request') return `pr-${subject.number}-${shortSha(sha)}`;
  return `branch-${component(subject.branch)
    .slice(0, 80)
    .replace(/[^a-z0-9]+$/, '')}-${shortSha(sha)}`;
}

/** Without a tag: where every image of one service of a repository is kept. `only`: the preview has no other service. */
export function imageRepository(
  settings: Pick<ClusterSettings, 'registry'>,
  identity: PreviewIdentity,
  service: { name: string; only: boolean },
): string {
  const { registry } = settings;
  // A nested group `a/b` is the owner `a~b` here.
  const owners = identity.owner.split('~').map(component);
  const { organizationId, forge, host, repositoryRemoteId } = identity;
  const repository = component(identity.repository);
  const last = service.only ? [] : [component(service.name)];
  if (registry.kind === 'forge') return [registry.host, ...owners, repository, ...last].join('/');
  const whose = digest(JSON.stringify([organizationId, forge, host, repositoryRemoteId.toString()]), 12);
  return [registry.prefix, ...owners, `${repository}-${whose}`, ...last].join('/');
}

/** What the build of a service pushes. */
export function imageName(
  settings: Pick<ClusterSettings, 'registry'>,
  identity: PreviewIdentity,
  service: { name: string; only: boolean },
  sha: string,
): string {
  const repository = imageRepository(settings, identity, service);
  // A reference may have 255 characters before its tag; deep groups of long names have more.
  const host = repository.slice(0, repository.indexOf('/'));
  const name = repository.length <= 200 ? repository : `${host}/${digest(identityKey(identity) + service.name, 40)}`;
  return `${name}:${tag(identity, sha)}`;
}

/** The image of a service that names one built elsewhere. */
export function prebuiltImage(template: string, identity: PreviewIdentity, sha: string): string {
  const { subject } = identity;
  return template
    .replaceAll('{sha}', sha)
    .replaceAll('{number}', subject.kind === 'pull-request' ? String(subject.number) : '0');
}

/** Whether one name stands for the images of several commits: such as `web:latest`, or `web:pr-{number}`. */
export const isMoving = (template: string): boolean => !template.includes('{sha}') && !template.includes('@sha256:');

/** The digest that a finished build said: BuildKit's result in JSON, a buildpack's report in TOML. Undefined: it said none. */
export function builtDigest(terminationMessage: string): string | undefined {
  const found = /"?(?:containerimage\.)?digest"?\s*[:=]\s*"(sha256:[0-9a-f]{64})"/.exec(terminationMessage);
  return found?.[1];
}
